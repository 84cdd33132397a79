"""Receives webhooks as a plain ASGI application, which FastAPI, Starlette and Litestar can mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async.webhooks.receivers.responses import answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kaspi_delivery_async.webhooks.inbox import WebhookInbox

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def application(inbox: WebhookInbox) -> AsgiApp:
    """Make an application that answers at every path, and opens and closes the inbox where it gets the lifespan."""

    async def receive_webhooks(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _answer(inbox, scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(inbox, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1003})

    return receive_webhooks


async def _answer(inbox: WebhookInbox, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    media_types = [value.decode("latin-1") for name, value in headers if name.lower() == b"content-type"]
    try:
        given = await answer(
            inbox,
            method=scope["method"],
            media_type=",".join(media_types),
            headers=headers,
            chunks=_chunks(receive),
        )
    except _DisconnectedError:
        return
    await send({
        "type": "http.response.start",
        "status": given.status,
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.headers.items()],
    })  # fmt: skip
    await send({"type": "http.response.body", "body": given.body})


class _DisconnectedError(Exception):
    """The client has gone in the middle of its request."""


async def _chunks(receive: Receive) -> AsyncGenerator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectedError
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _live(inbox: WebhookInbox, receive: Receive, send: Send) -> None:
    await receive()
    async with inbox:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
