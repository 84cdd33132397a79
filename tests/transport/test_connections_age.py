"""Connections age: what is silent, refused, replaced or too old is opened and looked up again."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from kaspi_delivery_async import (
    ApiError,
    ConfigurationError,
    DeliveryClient,
    KaspiDeliveryError,
    Limits,
    Outcome,
    RetryPolicy,
    Timeout,
    TransportError,
)
from kaspi_delivery_async._transport.aiohttp_overrides import LONGEST_LIFE
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import GOOD_BODY, Exchange, RawServer

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(GOOD_BODY)


class CountingServer:
    """Counts connections; those that are there when it goes silent swallow what is sent."""

    def __init__(self, *headers: bytes) -> None:
        self.connections = 0
        self.is_silent: set[asyncio.StreamWriter] = set()
        self.open: set[asyncio.StreamWriter] = set()
        self.status = b""
        self._headers = b"".join(header + b"\r\n" for header in headers)

    async def play(self, exchange: Exchange) -> None:
        if exchange.writer not in self.open:
            self.open.add(exchange.writer)
            self.connections += 1
        await exchange.read()
        if exchange.writer not in self.is_silent:
            exchange.writer.write((self.status or HEAD) + self._headers + b"\r\n" + (b"" if self.status else GOOD_BODY))


async def opened(client: DeliveryClient, count: int) -> None:
    await asyncio.gather(*(client.get_delivery("dlv_1") for _ in range(count)))


@pytest.mark.looptime
async def test_after_a_timeout_on_a_kept_connection_the_next_attempt_takes_a_new_one() -> None:
    kept = CountingServer()
    async with (
        RawServer([kept.play]) as server,
        DeliveryClient("key", base_url=server.base_url, timeout=Timeout(attempt=0.6, total=6)) as client,
    ):
        await opened(client, 6)
        before = kept.connections
        kept.is_silent = set(kept.open)
        await client.create_delivery(order())
    assert before > 1
    assert len(server.requests) == 6 + 2


@pytest.mark.looptime
async def test_a_connection_is_used_for_minutes_and_then_replaced() -> None:
    kept = CountingServer()
    async with RawServer([kept.play]) as server, DeliveryClient("key", base_url=server.base_url) as client:
        for _ in range(int(2.5 * LONGEST_LIFE / 10)):
            await client.get_delivery("dlv_1")
            await asyncio.sleep(10)
    assert kept.connections == 3


@pytest.mark.looptime
async def test_a_connection_that_has_been_used_for_a_while_is_dropped_after_a_5xx() -> None:
    kept = CountingServer()
    async with (
        RawServer([kept.play]) as server,
        DeliveryClient("key", base_url=server.base_url, retry=RetryPolicy(max_attempts=1)) as client,
    ):
        await client.get_delivery("dlv_1")
        await asyncio.sleep(12)
        kept.status = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n"
        for connections in (1, 2, 2):
            with pytest.raises(KaspiDeliveryError):
                await client.get_delivery("dlv_1")
            assert kept.connections == connections


@pytest.mark.looptime
@pytest.mark.parametrize("status", [408, 421])
async def test_a_status_about_the_connection_is_retried_on_another(status: int) -> None:
    kept = CountingServer()
    kept.status = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n" % status
    async with RawServer([kept.play]) as server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(ApiError):
            await client.create_delivery(order())
    assert kept.connections == 4


@pytest.mark.looptime
async def test_the_servers_own_time_for_idle_connections_is_kept() -> None:
    kept = CountingServer(b"Keep-Alive: timeout=5, max=100")
    async with RawServer([kept.play]) as server, DeliveryClient("key", base_url=server.base_url) as client:
        for idle, connections in ((3, 1), (3, 1), (4.5, 1), (0, 2)):
            await client.get_delivery("dlv_1")
            assert kept.connections == connections
            await asyncio.sleep(idle)


@pytest.mark.looptime
async def test_many_connections_that_come_and_go_are_forgotten() -> None:
    server = RawServer([server_scripts.send(HEAD + b"\r\n" + GOOD_BODY)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        for _ in range(200):
            await client.get_delivery("dlv_1")
        session = client._engine.endpoint.sessions.current()
        assert session is not None
        assert len(session.connector._opened) <= 64  # type: ignore[union-attr]


@pytest.mark.looptime
async def test_one_attempt_is_one_request() -> None:
    """aiohttp would send a GET on a lost connection again by itself."""
    retry = RetryPolicy(max_attempts=1)
    for own in (False, True):
        server = RawServer([server_scripts.respond(200), server_scripts.close_after_request])
        session = aiohttp.ClientSession() if own else None
        async with server, DeliveryClient("key", base_url=server.base_url, retry=retry, session=session) as client:
            await client.get_delivery("dlv_1")
            with pytest.raises(TransportError) as caught:
                await client.get_delivery("dlv_1")
            if session is not None:
                await session.close()
        assert len(caught.value.attempts) == 1
        assert len(server.requests) == 2


async def test_what_has_arrived_is_read_before_a_passed_deadline_is_believed() -> None:
    """The service itself may have blocked its event loop."""

    async def respond_and_block(exchange: Exchange) -> None:
        await server_scripts.respond(200)(exchange)
        time.sleep(0.2)  # noqa: ASYNC251 - that is the point

    server = RawServer([server_scripts.respond(200), respond_and_block])
    options: dict[str, Any] = {"timeout": Timeout(attempt=0.1, total=1), "retry": RetryPolicy(max_attempts=1)}
    async with server, DeliveryClient("key", base_url=server.base_url, **options) as client:
        await client.get_delivery("dlv_1")
        assert (await client.create_delivery(order())).delivery_id == "dlv_1"


@pytest.mark.looptime
async def test_a_header_line_of_64_kib_is_read() -> None:
    long = server_scripts.respond(201, GOOD_BODY, "X-Long: " + "x" * 60_000)
    async with RawServer([long]) as server, DeliveryClient("key", base_url=server.base_url) as client:
        assert (await client.create_delivery(order())).delivery_id == "dlv_1"
    assert len(server.requests) == 1


async def test_a_session_of_another_event_loop_is_refused_by_name() -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    session = await asyncio.to_thread(lambda: asyncio.new_event_loop().run_until_complete(make()))
    with pytest.raises(ConfigurationError, match="another event loop"):
        await DeliveryClient("key", base_url="http://127.0.0.1:1", session=session).get_delivery("dlv_1")
    loop = session._loop
    await asyncio.to_thread(lambda: loop.run_until_complete(session.close()))
    await asyncio.to_thread(loop.close)


def dropped(loop: asyncio.AbstractEventLoop) -> None:
    """Use a client on a loop that ends without closing its generators, and let go of it."""
    client = DeliveryClient("key", base_url="http://127.0.0.1:1", retry=RetryPolicy(max_attempts=1))
    with pytest.raises(TransportError):
        loop.run_until_complete(client.get_delivery("dlv_1"))
    loop.close()
    client._engine.endpoint.sessions.__del__()
    client._engine.endpoint.sessions._own.clear()


def test_a_client_that_was_not_closed_is_warned_of_once_and_by_the_way_to_close_it() -> None:
    with pytest.warns(ResourceWarning) as warned:
        dropped(asyncio.new_event_loop())
    assert [str(warning.message) for warning in warned] == [
        "a DeliveryClient was not closed: call `await client.aclose()`, or use `async with client:`"
    ]


def test_the_session_of_a_closed_loop_is_let_go_with_a_warning() -> None:
    client = DeliveryClient("key", base_url="http://127.0.0.1:1", retry=RetryPolicy(max_attempts=1))
    loop = asyncio.new_event_loop()
    with pytest.raises(TransportError):
        loop.run_until_complete(client.get_delivery("dlv_1"))
    loop.close()
    with pytest.warns(ResourceWarning, match="aclose"):
        asyncio.run(client.aclose())
    assert client._engine.endpoint.sessions._own == {}


PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")


@pytest.mark.looptime
@pytest.mark.parametrize(("variables", "hinted"), [({"HTTPS_PROXY": "http://p:1"}, True), ({}, False)])
async def test_a_proxy_of_the_environment_that_is_not_used_is_named_where_no_connection_comes_about(
    variables: dict[str, str], hinted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(socket, "getaddrinfo", unknown_name)
    async with DeliveryClient("key", base_url="https://api.invalid", retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(TransportError, match="the host name was not found; check `base_url`") as caught:
            await client.get_delivery("dlv_1")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert ("trust_env=True" in str(caught.value)) is hinted


def unknown_name(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


SLOW_NAME_SERVER = """
import asyncio, socket, time
from kaspi_delivery_async import DeliveryClient, Timeout
socket.getaddrinfo = lambda *arguments, **options: time.sleep(30)
async def main():
    client = DeliveryClient("key", base_url="https://api.invalid", timeout=Timeout(attempt=0.3, total=0.3))
    try:
        await client.get_delivery("dlv_1")
    except Exception as error:
        print(type(error).__name__)
    await client.aclose()
asyncio.run(main())
"""


def test_neither_a_loop_nor_a_program_waits_for_a_silent_name_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLOW_NAME_SERVER], capture_output=True, text=True, timeout=20, check=True, env=os.environ
    )
    assert done.stdout.strip() == "DeadlineExceededError"


@pytest.mark.looptime
async def test_writes_go_before_reads_and_cancels_before_creates() -> None:
    limits = Limits(max_connections=1)
    calls: list[Callable[[DeliveryClient], Any]] = [
        *[lambda client: client.get_delivery("dlv_1")] * 20,
        lambda client: client.create_delivery(order()),
        lambda client: client.cancel_delivery("dlv_1"),
    ]
    async with (
        RawServer([server_scripts.respond_late]) as server,
        DeliveryClient("key", base_url=server.base_url, limits=limits) as client,
    ):
        await asyncio.gather(*(call(client) for call in calls))
    paths = [request.path for request in server.requests]
    assert paths[1:3] == ["/v1/deliveries/dlv_1/cancel", "/v1/deliveries"]


@pytest.mark.looptime
async def test_reads_do_not_starve_behind_writes() -> None:
    limits, timeout = Limits(max_connections=1), Timeout(attempt=10, total=100)
    async with (
        RawServer([server_scripts.respond_late]) as server,
        DeliveryClient("key", base_url=server.base_url, limits=limits, timeout=timeout) as client,
    ):

        async def write(number: int) -> None:
            await asyncio.sleep(number)
            await client.create_delivery(order(f"n-{number}"))

        writes = [asyncio.create_task(write(number // 2)) for number in range(60)]
        await asyncio.sleep(0.5)
        await client.get_delivery("dlv_1")
        assert asyncio.get_running_loop().time() < 15
        await asyncio.gather(*writes)
