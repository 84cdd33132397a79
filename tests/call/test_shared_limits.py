"""Pauses and budgets belong to key and host in the process; what a server says of them is believed within bounds."""

import asyncio
import gc
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import pytest

from kaspi_delivery_async import (
    DeadlineExceededError,
    DeliveryClient,
    KaspiDeliveryError,
    NotFoundError,
    RateLimitedError,
    RetryPolicy,
    Timeout,
)
from kaspi_delivery_async._call import limiter
from kaspi_delivery_async._call.limiter import shared_limiter
from tests.support import server_scripts, virtual_time
from tests.support.orders import order
from tests.support.raw_server import Exchange, RawServer

FAST = RetryPolicy(base=0.01, cap=0.05)


@pytest.mark.looptime
async def test_retries_that_succeed_cost_nothing_in_the_end() -> None:
    """A server that cuts each reused connection after the request is asked twice, for ever."""
    used = set[int]()

    async def cut_reused(exchange: Exchange) -> None:
        if id(exchange.writer) in used:
            await server_scripts.close_after_request(exchange)
        else:
            await server_scripts.respond(201)(exchange)
            used.add(id(exchange.writer))

    server = RawServer([cut_reused])
    async with server, DeliveryClient("key", base_url=server.base_url, retry=FAST) as client:
        for number in range(250):
            await client.create_delivery(order(f"n-{number}"))
            used.intersection_update(id(writer) for writer in server._handlers.values())


MOMENTS: dict[str, Callable[[], str]] = {
    "Unix seconds": lambda: str(int(time.time()) + 30 * 365 * 86400),
    "milliseconds": lambda: "86400000",
    "a far date": lambda: "Fri, 01 Jan 2099 00:00:00 GMT",
    "a very long number": lambda: "9" * 400,
}


@pytest.mark.looptime
@pytest.mark.parametrize("moment", MOMENTS)
async def test_no_pause_is_longer_than_an_hour_and_one_request_finds_out_whether_it_is_over(moment: str) -> None:
    in_flight, most = 0, 0

    async def count(exchange: Exchange) -> None:
        nonlocal in_flight, most
        await exchange.read()
        in_flight += 1
        most = max(most, in_flight if len(server.requests) <= 3 else 0)
        await asyncio.sleep(1)
        in_flight -= 1
        exchange.writer.write(
            b"HTTP/1.1 201 X\r\nContent-Length: 39\r\n\r\n" + b'{"deliveryId":"dlv","status":"created"}'
        )

    server = RawServer([server_scripts.respond(429, b"", f"Retry-After: {MOMENTS[moment]()}"), count])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(RateLimitedError) as refused:
            await client.get_delivery("dlv_1")
        assert refused.value.retry_after == 3600
        with pytest.raises(DeadlineExceededError):
            await client.get_delivery("dlv_1")
        assert len(server.requests) == 1
        await asyncio.sleep(3600 * 1.06)
        calls = [asyncio.create_task(client.create_delivery(order(f"n-{number}"))) for number in range(8)]
        await asyncio.sleep(0.5)
        assert most == 1
        await asyncio.gather(*calls)


@pytest.mark.looptime
async def test_a_response_that_comes_during_a_long_pause_does_not_show_that_it_is_over() -> None:
    """Its request left before the pause was asked for."""
    in_flight, most = 0, 0
    refused = asyncio.Event()

    async def refuse(exchange: Exchange) -> None:
        await exchange.read()
        exchange.writer.write(b"HTTP/1.1 429 X\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")
        refused.set()

    async def respond_during_the_pause(exchange: Exchange) -> None:
        await refused.wait()
        await asyncio.sleep(1)
        await server_scripts.respond(200)(exchange)

    async def count(exchange: Exchange) -> None:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await server_scripts.respond_late(exchange)
        in_flight -= 1

    server = RawServer([respond_during_the_pause, refuse, count, server_scripts.respond(200)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        early = asyncio.create_task(client.get_delivery("dlv_1"))
        await asyncio.sleep(0.1)
        with pytest.raises(RateLimitedError):
            await client.get_delivery("dlv_1")
        await early
        await asyncio.sleep(120 * 1.06)
        calls = [asyncio.create_task(client.get_delivery("dlv_1")) for _ in range(8)]
        await asyncio.sleep(0.5)
        assert (most, len(server.requests)) == (1, 3)
        await asyncio.gather(*calls)


@pytest.mark.looptime
async def test_a_moment_in_unix_time_that_is_near_is_read_as_one() -> None:
    near = server_scripts.respond(429, b"", "Date: Mon, 05 Jan 2026 09:00:00 GMT", "Retry-After: 1767603605")
    async with (
        RawServer([near, server_scripts.respond(200)]) as server,
        DeliveryClient("key", base_url=server.base_url) as client,
    ):
        await client.get_delivery("dlv_1")
        assert 5 <= asyncio.get_running_loop().time() < 6


def test_a_pause_is_kept_by_the_next_client_in_the_next_loop() -> None:
    asked: list[float] = []

    async def play(exchange: Exchange) -> None:
        await exchange.read()
        asked.append(asyncio.get_running_loop().time())
        status = b"429 X\r\nRetry-After: 10" if len(asked) == 1 else b"404 X"
        exchange.writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    async def call(server: RawServer, error: type[KaspiDeliveryError], *, seconds: float) -> float:
        timeout = Timeout(attempt=seconds, total=seconds)
        async with server, DeliveryClient("key", base_url=server.base_url, timeout=timeout) as client:
            with pytest.raises(error):
                await client.get_delivery("dlv_1")
        return asyncio.get_running_loop().time()

    server = RawServer([play])
    with asyncio.Runner(loop_factory=virtual_time.new_event_loop) as runner:
        now = runner.run(call(server, RateLimitedError, seconds=5))
    gc.collect()
    later = partial(virtual_time.new_event_loop, start=now + 1)
    with asyncio.Runner(loop_factory=later) as runner:
        runner.run(call(RawServer([play], port=server.port), NotFoundError, seconds=20))
    assert now < 1
    assert 10 <= asked[1] <= 11


def test_the_limits_of_very_many_keys_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "KEPT", 3)
    monkeypatch.setattr(limiter, "_kept", OrderedDict())
    for number in range(10):
        shared_limiter(f"key-{number}", "https://many.invalid")
    assert len(limiter._kept) == 3
