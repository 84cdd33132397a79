"""Receiver for an ``aiohttp.web`` application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from kaspi_delivery_async.webhooks.receivers.bodies import BrokenBodyError
from kaspi_delivery_async.webhooks.receivers.responses import respond

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kaspi_delivery_async.webhooks.receivers.responses import Receive

_DECODED = {"gzip", "deflate"}
"""What aiohttp decodes by itself, of the encodings that are supported."""

AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def aiohttp_handler(receive: Receive) -> AiohttpHandler:
    """Return a handler for any route; route every method to it, so that 405 is the receiver's too."""

    async def receive_webhook(request: web.Request) -> web.StreamResponse:
        encoding = request.headers.get("Content-Encoding", "")
        try:
            response = await respond(
                receive,
                method=request.method,
                media_type=request.headers.get("Content-Type", ""),
                encoding="" if encoding.lower() in _DECODED else encoding,
                headers=request.headers,
                chunks=_chunks(request),
            )
        except ConnectionError:
            # The client has gone; aiohttp would log this as a failure of the service.
            return web.Response(status=400)
        sent = web.Response(status=response.status, body=response.body, headers=response.headers)
        if response.closes:
            sent.force_close()
        return sent

    return receive_webhook


async def _chunks(request: web.Request) -> AsyncGenerator[bytes, None]:
    if request.content.at_eof():
        # A middleware has read it; aiohttp keeps what `read` gave.
        yield await request.read()
        return
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except web.RequestPayloadError:
        # aiohttp would read on, and log the same error again as a failure of the service.
        request.content.feed_eof()
        raise BrokenBodyError from None
