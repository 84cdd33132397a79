"""Host names are looked up in threads of the client's own."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from benchmarks.month.api import response
from benchmarks.month.events import Fate
from benchmarks.month.network import Connection, Network, Request, VirtualLoop
from kaspi_delivery_async import DeadlineExceededError, DeliveryClient, Outcome, RetryPolicy, Timeout, TransportError
from tests.support import server_scripts
from tests.support.raw_server import RawServer

ONE_ATTEMPT = RetryPolicy(max_attempts=1)


def lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "kaspi-delivery-lookup"]


async def test_a_host_name_is_looked_up() -> None:
    async with RawServer([server_scripts.respond(200)]) as server:
        base_url = server.base_url.replace("127.0.0.1", "localhost")
        async with DeliveryClient("key", base_url=base_url) as client:
            assert (await client.get_delivery("dlv_1")).delivery_id == "dlv_1"


@pytest.mark.looptime
async def test_a_name_that_cannot_be_looked_up_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    async with DeliveryClient("key", base_url="https://api.invalid") as client:
        with pytest.raises(TransportError, match="a host name is invalid; check `base_url`") as caught:
            await client.get_delivery("dlv_1")
    assert (caught.value.outcome, len(caught.value.attempts)) == (Outcome.NOT_SENT, 1)
    assert asyncio.get_running_loop().time() < 1


async def test_a_link_local_address_is_looked_up_in_such_a_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only by a second look-up does aiohttp get an address with its interface."""
    asked: list[tuple[Any, str]] = []

    def name_of(address: Any, _flags: int) -> tuple[str, str]:
        asked.append((address, threading.current_thread().name))
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    link_local = ("fe80::1", 443, 0, 7)
    found = [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", link_local)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "getnameinfo", name_of)
    async with DeliveryClient("key", base_url="https://api.invalid", retry=ONE_ATTEMPT) as client:
        with pytest.raises(TransportError) as caught:
            await client.get_delivery("dlv_1")
    assert caught.value.outcome is Outcome.NOT_SENT
    assert asked == [(link_local, "kaspi-delivery-lookup")]


async def test_a_name_server_that_responds_too_late_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: late.wait(10) and [])
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    timeout = Timeout(attempt=0.05, total=0.05)
    async with DeliveryClient("key", base_url="https://api.invalid", timeout=timeout) as client:
        with pytest.raises(DeadlineExceededError) as caught:
            await client.get_delivery("dlv_1")
    assert caught.value.outcome is Outcome.NOT_SENT
    (lookup,) = lookups()
    late.set()
    await asyncio.to_thread(lookup.join)
    await asyncio.sleep(0)  # what the thread has left for the loop to do
    assert failures == []


@pytest.mark.looptime
async def test_a_look_up_that_hangs_is_given_up_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp has every request wait for the look-up in progress."""
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(10) and [])
    async with DeliveryClient("key", base_url="https://api.invalid", retry=ONE_ATTEMPT) as client:
        for count in (1, 1, 1, 1, 2):  # each call takes 10 s, and the fourth ends with the first look-up
            with pytest.raises(TransportError):
                await client.get_delivery("dlv_1")
            assert len(lookups()) == count
    end.set()
    for lookup in lookups():
        lookup.join()


@pytest.mark.parametrize("fate", [Fate.REFUSES, Fate.SWALLOWS])
def test_an_address_that_refuses_or_is_silent_is_looked_up_again_before_the_next_attempt(
    fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: Connection, _request: Request) -> None:
        connection.respond(response(200, {"deliveryId": "dlv_1", "status": "created"}, date=0.0), after=0.1)

    def look_up(*arguments: Any, **options: Any) -> list[tuple[Any, ...]]:
        found = network.getaddrinfo(*arguments, **options)
        network.addresses = [new.address]
        return found

    async def call() -> None:
        monkeypatch.setattr("aiohttp.connector.monotonic", asyncio.get_running_loop().time)
        timeout = Timeout(attempt=1, total=30)
        async with DeliveryClient("key", base_url="https://delivery.example", timeout=timeout) as client:
            await client.get_delivery("dlv_1")
        assert asyncio.get_running_loop().time() < 2

    network = Network(serve)
    old, new = network.add_host(), network.add_host()
    old.meet(fate)
    network.addresses = [old.address]
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(network)) as runner:
        runner.run(call())
    assert network.lookups == 2
