"""The loopback server, over real connections."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback


async def _echo(request: web.Request) -> web.StreamResponse:
    return web.Response(text=f"{request.method} {request.path} {await request.text()}")


@pytest.mark.parametrize("path", ["", "webhooks", "a/b/"])
async def test_every_path_and_method_reaches_the_handler(path: str) -> None:
    async with serve_on_loopback(_echo) as url, aiohttp.ClientSession() as session:
        assert url.startswith("http://127.0.0.1:")
        for method in ("POST", "PUT"):
            async with session.request(method, url + path, data="body") as response:
                assert await response.text() == f"{method} /{path} body"


async def test_the_port_is_free_again_when_the_context_ends() -> None:
    async with serve_on_loopback(_echo) as url, aiohttp.ClientSession() as session:
        async with session.post(url) as response:
            await response.read()  # which leaves an idle connection that must not delay the end
        begun = asyncio.get_running_loop().time()
    port = int(url.rstrip("/").rpartition(":")[2])
    async with serve_on_loopback(_echo, port=port) as again:
        assert again == url
    assert asyncio.get_running_loop().time() - begun < 2


async def test_a_port_in_use_is_an_os_error() -> None:
    async with serve_on_loopback(_echo) as url:
        with pytest.raises(OSError, match="address already in use"):
            async with serve_on_loopback(_echo, port=int(url.rstrip("/").rpartition(":")[2])):
                pass


async def test_a_request_in_flight_completes_when_the_context_ends() -> None:
    begun = asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        begun.set()
        await asyncio.sleep(0.2)
        return web.Response(text="done")

    async def post(url: str) -> str:
        async with aiohttp.ClientSession() as session, session.post(url) as response:
            return await response.text()

    async with serve_on_loopback(slow) as url:
        request = asyncio.create_task(post(url))
        await begun.wait()
    assert await request == "done"
