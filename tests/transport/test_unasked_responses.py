"""A response belongs to a request only if it began after the request had left; anything else closes its connection."""

import asyncio
import json
import select
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import Mock

import aiohttp
import pytest

from kaspi_delivery_async import DeliveryClient, Outcome, RetryPolicy, TransportError
from kaspi_delivery_async._transport import sessions
from kaspi_delivery_async._transport.aiohttp_overrides import _reading_check
from tests.support.orders import order
from tests.support.raw_server import Exchange, Play, RawServer, Request

ONE_ATTEMPT = RetryPolicy(max_attempts=1)


def created(name: str) -> bytes:
    body = json.dumps({"deliveryId": f"dlv-{name}", "status": "created"}).encode()
    return b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


UNASKED = {
    "408": b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
    "201 of another order": created("other"),
    "garbage": b"\x15\x03\x01\x00\x02\x02\x50garbage\r\n\r\n",
    "a response and half of one": created("other") + created("another")[:60],
    "the end": b"",
}


def subject(request: Request) -> str:
    return (
        request.path.rpartition("dlv-")[2] if request.method == "GET" else json.loads(request.body)["externalOrderId"]
    )


def responding(unasked: bytes) -> Play:
    """Respond as asked; then, after the first request, say what nobody asked for."""

    async def play(exchange: Exchange) -> None:
        request = await exchange.read()
        exchange.writer.write(created(subject(request)))
        await exchange.writer.drain()
        await asyncio.sleep(0.01)
        if len(exchange.requests) == 1:
            if unasked:
                exchange.writer.write(unasked)
            else:
                exchange.writer.close()

    return play


@asynccontextmanager
async def clients(kind: str, base_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DeliveryClient]:
    if kind == "a session of the caller's own":
        async with aiohttp.ClientSession() as session:
            yield DeliveryClient("key", base_url=base_url, session=session, retry=ONE_ATTEMPT)
        return
    if kind == "without our request class":
        monkeypatch.setattr(sessions, "REQUEST_CLASS", aiohttp.ClientRequest)
    async with DeliveryClient("key", base_url=base_url, retry=ONE_ATTEMPT) as client:
        yield client.with_options(retry=ONE_ATTEMPT) if kind == "with_options" else client


KINDS = ["a client", "with_options", "a session of the caller's own", "without our request class"]


@pytest.mark.looptime
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unasked", UNASKED)
async def test_an_unasked_response_on_an_idle_connection_is_nobodys(
    kind: str, unasked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RawServer([responding(UNASKED[unasked])])
    async with server, clients(kind, server.base_url, monkeypatch) as client:
        assert (await client.create_delivery(order("n-1"))).delivery_id == "dlv-n-1"
        await asyncio.sleep(1)
        assert (await client.create_delivery(order("n-2"))).delivery_id == "dlv-n-2"
        await asyncio.sleep(1)
        assert (await client.get_delivery("dlv-n-3")).delivery_id == "dlv-n-3"
    assert [subject(request) for request in server.requests] == ["n-1", "n-2", "n-3"]


@pytest.mark.looptime
@pytest.mark.parametrize("kind", KINDS)
async def test_a_read_after_an_unasked_response_takes_another_connection(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = RawServer([responding(UNASKED["201 of another order"])])
    async with server, clients(kind, server.base_url, monkeypatch) as client:
        await client.get_delivery("dlv-n-1")
        await asyncio.sleep(1)
        assert (await client.get_delivery("dlv-n-2")).delivery_id == "dlv-n-2"


@pytest.mark.parametrize("kind", KINDS)
async def test_bytes_that_the_loop_has_not_read_yet_are_unasked_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that was busy finds them after it has sent the request, unless it looks first."""
    with speaking_thread() as (base_url, speak):
        async with clients(kind, base_url, monkeypatch) as client:
            await client.create_delivery(order("n-1"))
            speak.set()
            time.sleep(0.1)  # noqa: ASYNC251 - the loop is to be busy
            assert (await client.create_delivery(order("n-2"))).delivery_id == "dlv-n-2"


@pytest.mark.looptime
async def test_a_server_that_speaks_first_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says before a request is no response; connections are closed, and their number is bounded."""
    connections = 0

    async def speak_first(exchange: Exchange) -> None:
        nonlocal connections
        connections += 1
        exchange.writer.write(created("other"))
        await exchange.reader.read()

    for kind in KINDS:
        connections = 0
        async with RawServer([speak_first]) as server, clients(kind, server.base_url, monkeypatch) as client:
            try:
                delivery = await client.get_delivery("dlv-n-1")
            except Exception as error:  # noqa: BLE001 - whichever: it is not taken for the other's
                assert "other" not in str(error)
            else:
                assert delivery.delivery_id != "dlv-other" or connections == 1  # it came after the request had left
        assert connections <= 20


@pytest.mark.looptime
async def test_a_middleware_of_the_callers_session_does_not_send_what_was_held_back() -> None:
    """It would be sent a second time: by the client itself, which takes it for a request that has not left."""
    spoken: list[asyncio.StreamWriter] = []

    async def play(exchange: Exchange) -> None:
        if not spoken:
            spoken.append(exchange.writer)
            exchange.writer.write(created("other"))
            await exchange.reader.read()
            return
        request = await exchange.read()
        if len(exchange.requests) == 1:
            exchange.reset()
        else:
            exchange.writer.write(created(subject(request)))

    async def repeat(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except aiohttp.ClientConnectionError:
            return await handler(request)

    async with RawServer([play]) as server, aiohttp.ClientSession(middlewares=[repeat]) as session:
        client = DeliveryClient("key", base_url=server.base_url, session=session, retry=ONE_ATTEMPT)
        with pytest.raises(TransportError) as caught:
            await client.create_delivery(order("n-1"))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(server.requests) == 1


@pytest.mark.looptime
@pytest.mark.parametrize("calls", [300, pytest.param(10_000, marks=pytest.mark.long)])
async def test_every_create_gets_its_own_delivery_whatever_lies_on_the_connections(calls: int) -> None:
    unasked = list(UNASKED.values())

    async def play(exchange: Exchange) -> None:
        request = await exchange.read()
        exchange.writer.write(created(subject(request)))
        if len(exchange.requests) % 7 == 0:  # before the next request can be sent: later, nobody could know
            exchange.writer.write(unasked[len(exchange.requests) % 5] or b"\r\n\r\n")

    slots = asyncio.Semaphore(100)
    async with RawServer([play]) as server, DeliveryClient("key", base_url=server.base_url) as client:

        async def create(number: int) -> str:
            async with slots:
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
                return (await client.create_delivery(order(f"n-{number}"))).delivery_id

        ids = await asyncio.gather(*(create(number) for number in range(calls)))
    assert ids == [f"dlv-n-{number}" for number in range(calls)]


@pytest.mark.parametrize("has_poll", [True, False])
def test_what_waits_to_be_read_is_found_on_every_platform(has_poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no `poll`; a connection over memory has no socket."""
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    mine, theirs = socket.socketpair()
    with mine, theirs:
        can_be_read = _reading_check(Mock(get_extra_info=lambda _: mine))
        assert not can_be_read()
        theirs.send(b"x")
        assert can_be_read()
    assert not _reading_check(Mock(get_extra_info=lambda _: None))()


@contextmanager
def speaking_thread() -> Iterator[tuple[str, threading.Event]]:
    """Respond in a thread; on the first connection, say something unasked once the event is set."""
    speak = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_speak, args=(listener, speak), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", speak
    thread.join(5)


def _speak(listener: socket.socket, speak: threading.Event) -> None:
    for name, wait in (("n-1", True), ("n-2", False)):
        connection, _ = listener.accept()
        with connection:
            received = b""
            while b"}}" not in received:
                received += connection.recv(65536)
            connection.sendall(created(name))
            if wait:
                speak.wait(5)
                connection.sendall(created("other"))
