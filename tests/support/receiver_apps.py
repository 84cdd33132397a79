"""Services that receive webhooks, one per framework, each on a real server on loopback."""

import asyncio
import socket
import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import django  # type: ignore[import-untyped]
import django.urls  # type: ignore[import-untyped]
import fastapi
import litestar
import uvicorn
from aiohttp import web
from django.conf import settings  # type: ignore[import-untyped]
from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.routing import Mount

from kaspi_delivery_async.webhooks import WebhookInbox

Serve = Callable[[WebhookInbox], Any]


@asynccontextmanager
async def aiohttp_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_route("*", "/webhooks", inbox.aiohttp)
    app.cleanup_ctx.append(inbox.cleanup_ctx)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bare_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    async with _uvicorn(inbox.asgi, "/") as url:
        yield url


@asynccontextmanager
async def fastapi_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    @asynccontextmanager
    async def lifespan(_app: fastapi.FastAPI) -> AsyncGenerator[None]:
        async with inbox:
            yield

    app = fastapi.FastAPI(lifespan=lifespan)
    app.mount("/webhooks", inbox.asgi)
    async with _uvicorn(app, "/webhooks/") as url:
        yield url


@asynccontextmanager
async def starlette_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with inbox:
            yield

    async with _uvicorn(Starlette(routes=[Mount("/webhooks", inbox.asgi)], lifespan=lifespan), "/webhooks/") as url:
        yield url


@asynccontextmanager
async def litestar_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    app = litestar.Litestar(
        [litestar.asgi("/webhooks", is_mount=True, copy_scope=True)(inbox.asgi)],
        lifespan=[lambda _app: inbox],
        logging_config=None,
    )
    async with _uvicorn(app, "/webhooks") as url:
        yield url


@asynccontextmanager
async def django_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    urls: Any = types.ModuleType("webhook_urls")
    urls.urlpatterns = [django.urls.path("webhooks", inbox.django)]
    sys.modules["webhook_urls"] = urls
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="webhook_urls",
            ALLOWED_HOSTS=["127.0.0.1"],
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
            SECRET_KEY="for tests",
            LOGGING_CONFIG=None,
        )
        django.setup()
    django.urls.clear_url_caches()
    application = get_asgi_application()

    async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
        await (inbox.asgi if scope["type"] == "lifespan" else application)(scope, receive, send)

    async with _uvicorn(with_lifespan, "/webhooks") as url:
        yield url


class _Server(uvicorn.Server):
    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none"))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def _uvicorn(app: Callable[..., Awaitable[None]], path: str) -> AsyncGenerator[str]:
    server = _Server(app)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        await server.ready.wait()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{path}"
    finally:
        server.should_exit = True
        await serving


SERVERS: dict[str, Serve] = {
    "aiohttp": aiohttp_server,
    "asgi": bare_server,
    "django": django_server,
    "fastapi": fastapi_server,
    "litestar": litestar_server,
    "starlette": starlette_server,
}
