"""Ways to create and to get a delivery: each over its own open connections, with responses read to values."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import aiohttp
import attrs
from yarl import URL

from benchmarks.contestants import generated
from benchmarks.contestants.samples import API_KEY, DELIVERY_ID, ORDER, ORDER_BYTES, ORDER_ID, ORDER_VALUES
from kaspi_delivery_async import DeliveryClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    import httpx

CONNECTIONS = 100
"""Maximum number of open connections, which are kept open: the default of aiohttp, httpx and this package."""

CREATE_PATH = "/v1/deliveries"
GET_PATH = f"/v1/deliveries/{DELIVERY_ID}"
KEY_HEADERS = {"x-api-key": API_KEY}
WRITE_HEADERS = {**KEY_HEADERS, "Idempotency-Key": ORDER_ID}
JSON_HEADERS = {**WRITE_HEADERS, "Content-Type": "application/json"}


@attrs.frozen(kw_only=True)
class Calls:
    """Both calls, as one contestant makes them."""

    create: Callable[[], Awaitable[object]]
    get: Callable[[], Awaitable[object]]


class _Exchange(asyncio.Protocol):
    """Sends prepared bytes and waits for a response; it reads no more of HTTP than where a body ends."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.received = b""
        self.response: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n") + 4
        head = self.received[:end]
        length = int(head[head.index(b"Content-Length: ") + 16 :].partition(b"\r\n")[0])
        if len(self.received) == end + length and self.response is not None:
            self.response.set_result(self.received[end:])
            self.received = b""


@asynccontextmanager
async def floor(base_url: str) -> AsyncIterator[Calls]:
    """Send bytes over a bare asyncio protocol: what no HTTP client can beat."""
    host, port = urlsplit(base_url).netloc.split(":")
    fields = "".join(f"{name}: {value}\r\n" for name, value in JSON_HEADERS.items())
    create = (
        f"POST {CREATE_PATH} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {len(ORDER_BYTES)}\r\n\r\n".encode()
    )
    get = f"GET {GET_PATH} HTTP/1.1\r\nHost: {host}\r\nx-api-key: {API_KEY}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(CONNECTIONS)
    idle: list[_Exchange] = []
    opened: list[_Exchange] = []

    async def send(request: bytes) -> bytes:
        async with slots:
            if idle:
                connection = idle.pop()
            else:
                _, connection = await loop.create_connection(_Exchange, host, int(port))
                opened.append(connection)
            connection.response = loop.create_future()
            connection.transport.write(request)
            response = await connection.response
            idle.append(connection)
            return response

    yield Calls(create=lambda: send(create + ORDER_BYTES), get=lambda: send(get))
    for connection in opened:
        connection.transport.close()


@asynccontextmanager
async def raw_aiohttp(base_url: str) -> AsyncIterator[Calls]:
    """Use aiohttp with prepared bytes; the response stays bytes."""
    create_url, get_url = URL(base_url + CREATE_PATH), URL(base_url + GET_PATH)
    async with aiohttp.ClientSession() as session:

        async def create() -> bytes:
            async with session.post(create_url, data=ORDER_BYTES, headers=JSON_HEADERS) as response:
                return await response.read()

        async def get() -> bytes:
            async with session.get(get_url, headers=KEY_HEADERS) as response:
                return await response.read()

        yield Calls(create=create, get=get)


@asynccontextmanager
async def hand_written(base_url: str) -> AsyncIterator[Calls]:
    """Use aiohttp as most people write it: dicts in and out."""
    async with aiohttp.ClientSession() as session:

        async def create() -> object:
            async with session.post(base_url + CREATE_PATH, json=ORDER_VALUES, headers=WRITE_HEADERS) as response:
                return await response.json()

        async def get() -> object:
            async with session.get(base_url + GET_PATH, headers=KEY_HEADERS) as response:
                return await response.json()

        yield Calls(create=create, get=get)


def _httpx_limits() -> httpx.Limits:
    """Keep idle connections open; httpx would keep 20 of its 100, for five seconds."""
    import httpx

    return httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=None)


@asynccontextmanager
async def over_httpx(base_url: str) -> AsyncIterator[Calls]:
    """Use httpx, dicts in and out."""
    import httpx

    async with httpx.AsyncClient(base_url=base_url, headers=KEY_HEADERS, limits=_httpx_limits()) as client:

        async def create() -> object:
            response = await client.post(CREATE_PATH, json=ORDER_VALUES, headers={"Idempotency-Key": ORDER_ID})
            return response.json()

        async def get() -> object:
            return (await client.get(GET_PATH)).json()

        yield Calls(create=create, get=get)


@asynccontextmanager
async def over_niquests(base_url: str) -> AsyncIterator[Calls]:
    """Use niquests, dicts in and out."""
    import niquests
    from niquests.adapters import AsyncHTTPAdapter

    async with niquests.AsyncSession() as session:
        session.mount(base_url, AsyncHTTPAdapter(pool_maxsize=CONNECTIONS, pool_block=True))

        async def create() -> object:
            response = await session.post(base_url + CREATE_PATH, json=ORDER_VALUES, headers=WRITE_HEADERS)
            return response.json()

        async def get() -> object:
            response = await session.get(base_url + GET_PATH, headers=KEY_HEADERS)
            return response.json()

        yield Calls(create=create, get=get)


@asynccontextmanager
async def openapi_python_client(base_url: str) -> AsyncIterator[Calls]:
    """Use the generated client (httpx), models in and out."""
    create_call = generated.module("api.deliveries.create_delivery").asyncio
    get_call = generated.module("api.deliveries.get_delivery").asyncio
    body = generated.module("models").DeliveryRequest.from_dict(ORDER_VALUES)
    async with generated.module("client").AuthenticatedClient(
        base_url=base_url,
        token=API_KEY,
        prefix="",
        auth_header_name="x-api-key",
        httpx_args={"limits": _httpx_limits()},
    ) as client:
        yield Calls(
            create=lambda: create_call(client=client, body=body, idempotency_key=ORDER_ID),
            get=lambda: get_call(DELIVERY_ID, client=client),
        )


@asynccontextmanager
async def ours(base_url: str) -> AsyncIterator[Calls]:
    """Use this package with all its defaults: models in and out, retries, limiter, deadlines."""
    async with DeliveryClient(API_KEY, base_url=base_url) as client:
        yield Calls(create=lambda: client.create_delivery(ORDER), get=lambda: client.get_delivery(DELIVERY_ID))


CONTESTANTS: dict[str, Callable[[str], AbstractAsyncContextManager[Calls]]] = {
    "bare asyncio protocol": floor,
    "aiohttp, prepared bytes": raw_aiohttp,
    "aiohttp, hand-written": hand_written,
    "kaspi_delivery_async": ours,
    "niquests": over_niquests,
    "httpx": over_httpx,
    "openapi-python-client": openapi_python_client,
}
