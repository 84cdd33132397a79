"""Loopback server: serves a webhook handler on 127.0.0.1 for as long as a context lasts."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kaspi_delivery_async.webhooks.receivers.aiohttp import AiohttpHandler

SHUTDOWN_LIMIT = 5.0
"""Seconds that requests in flight have to complete when the context ends: a little more than storing may take."""


@asynccontextmanager
async def serve_on_loopback(handler: AiohttpHandler, *, port: int = 0) -> AsyncGenerator[str]:
    """Serve ``handler`` at every path and for every method, and yield the URL of the root.

    Args:
        handler: Handles every request, such as `WebhookInbox.aiohttp`.
        port: Where to listen on 127.0.0.1; 0 takes any free port.

    Raises `OSError` if the port cannot be listened on.

    """
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_LIMIT)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
