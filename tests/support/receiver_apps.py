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
from django.utils.decorators import async_only_middleware  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount, Route

from kaspi_delivery_async.webhooks import WebhookInbox
from tests.support.django_project import URLS, configure_django

Serve = Callable[..., Any]


@web.middleware
async def _read_first_in_aiohttp(request: web.Request, handler: Any) -> web.StreamResponse:
    await request.read()
    response: web.StreamResponse = await handler(request)
    return response


@asynccontextmanager
async def aiohttp_server(inbox: WebhookInbox, *, reads_first: bool = False) -> AsyncGenerator[str]:
    webhooks = web.Application()
    webhooks.router.add_route("*", "/webhooks{slash:/?}", inbox.aiohttp)
    app = web.Application(middlewares=[_read_first_in_aiohttp] if reads_first else [])
    app.router.add_route("*", "/webhooks{slash:/?}", inbox.aiohttp)
    app.add_subapp("/shop", webhooks)
    app.cleanup_ctx.append(inbox.cleanup_ctx)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bare_server(inbox: WebhookInbox, *, reads_first: bool = False) -> AsyncGenerator[str]:
    async with _uvicorn(inbox.asgi, "/webhooks") as url:
        yield url


class _ReadFirst(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)


@asynccontextmanager
async def fastapi_server(inbox: WebhookInbox, *, reads_first: bool = False) -> AsyncGenerator[str]:
    app = fastapi.FastAPI(lifespan=inbox.lifespan)
    for path in ("/webhooks", "/webhooks/"):
        app.router.routes.append(Route(path, inbox.asgi))
    app.mount("/shop", inbox.asgi)
    if reads_first:
        app.add_middleware(_ReadFirst)
    async with _uvicorn(app, "/webhooks") as url:
        yield url


@asynccontextmanager
async def starlette_server(inbox: WebhookInbox, *, reads_first: bool = False) -> AsyncGenerator[str]:
    routes: list[Any] = [Route(path, inbox.asgi) for path in ("/webhooks", "/webhooks/")]
    app = Starlette(routes=[*routes, Mount("/shop", inbox.asgi)], lifespan=inbox.lifespan)
    if reads_first:
        app.add_middleware(_ReadFirst)
    async with _uvicorn(app, "/webhooks") as url:
        yield url


def _read_first_in_litestar(app: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        messages = [await receive()] if scope["type"] == "http" else []
        while messages and messages[-1].get("more_body"):
            messages.append(await receive())

        async def receive_again() -> Any:
            return messages.pop(0) if messages else await receive()

        await app(scope, receive_again, send)

    return middleware


@asynccontextmanager
async def litestar_server(inbox: WebhookInbox, *, reads_first: bool = False) -> AsyncGenerator[str]:
    app = litestar.Litestar(
        [
            litestar.asgi("/webhooks", is_mount=True, copy_scope=True)(inbox.asgi),
            litestar.asgi("/shop", is_mount=True, copy_scope=True)(inbox.asgi),
        ],
        lifespan=[inbox.lifespan],
        logging_config=None,
        middleware=[_read_first_in_litestar] if reads_first else [],
    )
    async with _uvicorn(app, "/webhooks") as url:
        yield url


@async_only_middleware  # type: ignore[untyped-decorator]
def _read_first_in_django(get_response: Any) -> Any:
    async def middleware(request: Any) -> Any:
        _ = request.body
        return await get_response(request)

    return middleware


def django_urls(inbox: WebhookInbox, *, reads_first: bool = False) -> None:
    """Have the Django project receive at ``webhooks``."""
    urls: Any = types.ModuleType(URLS)
    urls.urlpatterns = [django.urls.re_path(r"^(?:shop/)?webhooks/?$", inbox.django)]
    sys.modules[URLS] = urls
    middleware = ["django.middleware.csrf.CsrfViewMiddleware"]
    configure_django()
    settings.MIDDLEWARE = [*middleware, f"{__name__}._read_first_in_django"] if reads_first else middleware
    django.urls.clear_url_caches()


@asynccontextmanager
async def django_server(inbox: WebhookInbox, *, reads_first: bool = False) -> AsyncGenerator[str]:
    django_urls(inbox, reads_first=reads_first)
    application = get_asgi_application()

    async def with_lifespan(scope: Any, receive: Any, send: Any) -> None:
        await (inbox.asgi if scope["type"] == "lifespan" else application)(scope, receive, send)

    async with _uvicorn(with_lifespan, "/webhooks") as url:
        yield url


@asynccontextmanager
async def routed_django_server(inbox: WebhookInbox) -> AsyncGenerator[str]:
    """Serve webhooks beside Django, so that it does not read their bodies."""
    django_urls(inbox)
    application = get_asgi_application()

    async def routed(scope: Any, receive: Any, send: Any) -> None:
        is_ours = scope["type"] == "lifespan" or scope["path"] == "/webhooks"
        await (inbox.asgi if is_ours else application)(scope, receive, send)

    async with _uvicorn(routed, "/webhooks") as url:
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
