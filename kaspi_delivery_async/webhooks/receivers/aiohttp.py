"""Receiver for an ``aiohttp.web`` application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from kaspi_delivery_async.webhooks.receivers.responses import respond

if TYPE_CHECKING:
    from kaspi_delivery_async.webhooks.receivers.responses import Receive

AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def aiohttp_handler(receive: Receive) -> AiohttpHandler:
    """Return a handler for any route; route every method to it, so that 405 is the receiver's too."""

    async def receive_webhook(request: web.Request) -> web.StreamResponse:
        try:
            response = await respond(
                receive,
                method=request.method,
                media_type=request.headers.get("Content-Type", ""),
                headers=request.headers,
                chunks=request.content.iter_any(),
            )
        except ConnectionError:
            # The client has gone; aiohttp would log this as a failure of the service.
            return web.Response(status=400)
        return web.Response(status=response.status, body=response.body, headers=response.headers)

    return receive_webhook
