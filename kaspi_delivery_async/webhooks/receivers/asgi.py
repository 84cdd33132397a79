"""Receiver as a plain ASGI application, which FastAPI, Starlette and Litestar can mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async.webhooks.receivers.responses import respond

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager

    from kaspi_delivery_async.webhooks.receivers.responses import Receive

Message = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[Message]]
AsgiSend = Callable[[Message], Awaitable[None]]


class AsgiReceiver:
    """An application that receives webhooks at every path, and holds ``lifespan`` where it is given one.

    It is an object, not a function, so that routes of Starlette and FastAPI take it for an application.
    """

    def __init__(self, receive: Receive, *, lifespan: AbstractAsyncContextManager[object]) -> None:
        self._receive = receive
        self._lifespan = lifespan

    async def __call__(self, scope: MutableMapping[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """Serve a request or the lifespan; turn a websocket away."""
        if scope["type"] == "http":
            await self._serve_request(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1003})

    async def _serve_request(self, scope: MutableMapping[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        try:
            response = await respond(
                self._receive,
                method=scope["method"],
                media_type=_values(headers, b"content-type"),
                encoding=_values(headers, b"content-encoding"),
                headers=headers,
                chunks=_chunks(receive),
            )
        except _DisconnectedError:
            return
        await send({
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in response.headers.items()],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": response.body})

    async def _serve_lifespan(self, receive: AsgiReceive, send: AsgiSend) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._lifespan)
            except Exception as error:
                # An exception alone, servers take for "no lifespan here", and serve on.
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


class _DisconnectedError(Exception):
    """The client has gone in the middle of its request."""


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    return ",".join(value.decode("latin-1") for found, value in headers if found.lower() == name)


async def _chunks(receive: AsgiReceive) -> AsyncGenerator[bytes, None]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectedError
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
