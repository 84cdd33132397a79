"""Receives webhooks in an ``aiohttp.web`` application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from kaspi_delivery_async.webhooks.receivers.responses import answer

if TYPE_CHECKING:
    from kaspi_delivery_async.webhooks.inbox import WebhookInbox

AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def handler(inbox: WebhookInbox) -> AiohttpHandler:
    """Make a handler for any route; route every method to it, so that others than POST are answered too."""

    async def receive_webhook(request: web.Request) -> web.StreamResponse:
        try:
            given = await answer(
                inbox,
                method=request.method,
                media_type=request.headers.get("Content-Type", ""),
                headers=request.headers,
                chunks=request.content.iter_any(),
            )
        except ConnectionError:
            # Nobody is there to be answered; aiohttp would log this as a failure of the service.
            return web.Response(status=400)
        return web.Response(status=given.status, body=given.body, headers=given.headers)

    return receive_webhook
