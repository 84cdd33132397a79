"""Many calls at once against a server that loses responses or sets limits."""

import asyncio
import gc

import pytest

from kaspi_delivery_async import (
    DeadlineExceededError,
    DeliveryClient,
    DeliveryStatus,
    Limits,
    Outcome,
    RateLimitedError,
    ServerError,
    Timeout,
)
from kaspi_delivery_async.sandbox import Sandbox
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import GOOD_BODY, Exchange, Play, RawServer

pytestmark = pytest.mark.chaos


async def create_all(client: DeliveryClient, count: int, *, concurrency: int) -> list[str]:
    slots = asyncio.Semaphore(concurrency)

    async def create(number: int) -> str:
        async with slots:
            return (await client.create_delivery(order(f"order-{number}"))).delivery_id

    return await asyncio.gather(*(create(number) for number in range(count)))


@pytest.mark.looptime
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.long)])
async def test_lost_responses_create_nothing_twice(count: int) -> None:
    """Creates at concurrency 100, of which one in twenty is carried out and its response lost."""
    faults = ["create:commit-then-drop:0.05"]
    async with (
        Sandbox(faults=faults, seed=1) as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        ids = await create_all(client, count, concurrency=100)
    assert sandbox.requests.total > count
    assert len(sandbox.deliveries) == len(set(ids)) == count
    assert {record.external_order_id for record in sandbox.deliveries.values()} == {
        f"order-{number}" for number in range(count)
    }


@pytest.mark.looptime
async def test_a_rate_limit_is_met_without_a_storm() -> None:
    """400 creates at concurrency 100 against 50 a second: all succeed, with at most 20 requests in vain."""
    async with (
        Sandbox(faults=["create:rate-limit:rate=50"]) as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        before = asyncio.get_running_loop().time()
        ids = await create_all(client, 400, concurrency=100)
        took = asyncio.get_running_loop().time() - before
    assert len(set(ids)) == 400
    assert sandbox.requests.total <= 420
    # A pause is a second, stretched by a twentieth at most. As many orders as fill 8 bursts may need a pause more, and
    # the last of those that were refused waits up to half a second longer.
    burst, rate = 50, 50
    assert took <= 1.05 * ((400 - burst) / rate + 1) + 0.5


@pytest.mark.looptime
async def test_a_rate_that_is_stated_is_kept() -> None:
    async with (
        Sandbox(faults=["create:rate-limit:rate=50"]) as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, limits=Limits(rate=50)) as client,
    ):
        before = asyncio.get_running_loop().time()
        await create_all(client, 101, concurrency=100)
        took = asyncio.get_running_loop().time() - before
    assert sandbox.requests.total == 101
    assert 1.9 <= took <= 2.1


@pytest.mark.looptime
async def test_a_429_to_one_client_stops_all_of_the_same_key() -> None:
    pause = server_scripts.respond(429, b"{}", "Retry-After: 5")
    async with RawServer([pause, server_scripts.respond(200)]) as server:
        loop = asyncio.get_running_loop()
        async with (
            DeliveryClient("same", base_url=server.base_url) as first,
            DeliveryClient("same", base_url=server.base_url) as second,
            DeliveryClient("other", base_url=server.base_url) as stranger,
        ):
            refused = asyncio.create_task(first.get_delivery("dlv_1"))
            await asyncio.sleep(0.1)
            await stranger.get_delivery("dlv_1")
            assert loop.time() < 1
            await second.get_delivery("dlv_1")
            assert loop.time() >= 5
            assert (await refused).status == DeliveryStatus.CREATED


@pytest.mark.looptime
async def test_a_refused_call_goes_before_those_that_never_tried() -> None:
    """Else it might be refused again and again while newcomers use up the limit."""
    server = RawServer([server_scripts.respond(429, b"{}", "Retry-After: 1"), server_scripts.respond_late])
    limits = Limits(max_connections=1)
    async with server, DeliveryClient("key", base_url=server.base_url, limits=limits) as client:
        # Every response is about dlv_1, so the other calls fail; what counts is the order of the requests.
        await asyncio.gather(*(client.get_delivery(f"dlv_{number}") for number in range(4)), return_exceptions=True)
    asked = [request.path.rpartition("_")[2] for request in server.requests]
    assert sorted(asked[1:3]) == ["0", "1"]  # its own wait ends about when the pause does
    assert (asked[0], asked[3:]) == ("0", ["2", "3"])


@pytest.mark.looptime
async def test_a_pause_that_outlasts_the_call_is_raised_at_once() -> None:
    """Neither the refused call, nor those in the queue, nor those that come later wait in vain."""
    pause = server_scripts.respond(429, b"{}", "Retry-After: 60")
    async with RawServer([pause]) as server:
        limits = Limits(max_connections=1)
        async with DeliveryClient("key", base_url=server.base_url, limits=limits) as client:
            calls = [asyncio.create_task(client.get_delivery("dlv_1")) for _ in range(3)]
            refused, *queued = await asyncio.gather(*calls, return_exceptions=True)
            with pytest.raises(DeadlineExceededError) as late:
                await client.get_delivery("dlv_1")
            assert asyncio.get_running_loop().time() < 1
    assert isinstance(refused, RateLimitedError)
    assert refused.retry_after == 60
    for error in (*queued, late.value):
        assert isinstance(error, DeadlineExceededError)
        assert error.outcome is Outcome.NOT_SENT
        assert error.retry_after == pytest.approx(61.5, abs=1.6)
        assert error.attempts == ()
    assert len(server.requests) == 1


@pytest.mark.looptime
async def test_a_turn_that_does_not_come_ends_in_time() -> None:
    async with RawServer([server_scripts.stall]) as server:
        limits, timeout = Limits(max_connections=1), Timeout(attempt=2, total=2)
        async with DeliveryClient("key", base_url=server.base_url, limits=limits, timeout=timeout) as client:
            calls = [client.get_delivery("dlv_1") for _ in range(2)]
            stalled, waited = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(stalled, DeadlineExceededError)
    assert isinstance(waited, DeadlineExceededError)
    assert (stalled.outcome, waited.outcome) == (Outcome.UNKNOWN, Outcome.NOT_SENT)
    assert "waiting for a free slot" in str(waited)


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("play", "error", "cost"),
    [(server_scripts.respond(503, b"{}"), ServerError, 5), (server_scripts.stall, DeadlineExceededError, 10)],
    ids=["failures", "timeouts"],
)
async def test_an_empty_retry_budget_ends_a_storm(play: Play, error: type[Exception], cost: int) -> None:
    """A server that only fails is asked 4 times a call at first, and hardly more than once in the end."""
    server = RawServer([play])
    timeout = Timeout(attempt=1, total=30)
    async with server, DeliveryClient("key", base_url=server.base_url, timeout=timeout) as client:
        for _ in range(100):
            with pytest.raises(error):
                await client.get_delivery("dlv_1")
    assert len(server.requests) == 100 + 500 // cost


@pytest.mark.looptime
async def test_a_slow_server_is_given_more_connections() -> None:
    """Concurrency grows with the time that responses take, up to the limit."""
    async with (
        Sandbox(faults=["get:latency:seconds=0.2"]) as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
    ):
        before = asyncio.get_running_loop().time()
        await asyncio.gather(*(client.get_delivery("dlv_1") for _ in range(400)), return_exceptions=True)
        took = asyncio.get_running_loop().time() - before
    assert took < 400 * 0.2 / 30


@pytest.mark.looptime
async def test_callers_of_a_slow_server_are_not_held_back() -> None:
    """Here it responds only when all have come; a window that waits for responses would wait for ever."""
    everyone, came = asyncio.Event(), 0

    async def answer_all_at_once(exchange: Exchange) -> None:
        nonlocal came
        await exchange.read()
        came += 1
        if came == 50:
            everyone.set()
        await everyone.wait()
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(GOOD_BODY) + GOOD_BODY)

    loop = asyncio.get_running_loop()
    async with RawServer([answer_all_at_once]) as server, DeliveryClient("key", base_url=server.base_url) as client:
        began = loop.time()
        await asyncio.gather(*(client.get_delivery("dlv_1") for _ in range(50)))
    assert loop.time() - began < 1


@pytest.mark.looptime
async def test_no_more_connections_are_used_than_allowed_however_slow_the_server_is() -> None:
    async with (
        RawServer([server_scripts.respond_late]) as server,
        DeliveryClient("key", base_url=server.base_url, limits=Limits(max_connections=8)) as client,
    ):
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(client.get_delivery("dlv_1") for _ in range(24)))
        assert asyncio.get_running_loop().time() - began >= 3


@pytest.mark.looptime
async def test_a_pause_outlives_the_client_that_met_it() -> None:
    """A service may make a client for each of its requests; the API asked for a pause all the same."""
    async with RawServer(
        [server_scripts.respond(429, b"{}", "Retry-After: 60"), server_scripts.respond(200)]
    ) as server:
        async with DeliveryClient("key", base_url=server.base_url) as first:
            with pytest.raises(RateLimitedError):
                await first.get_delivery("dlv_1")
        del first
        gc.collect()
        async with DeliveryClient("key", base_url=server.base_url) as second:
            with pytest.raises(DeadlineExceededError) as caught:
                await second.get_delivery("dlv_1")
            assert caught.value.retry_after is not None
            assert 55 < caught.value.retry_after <= 63
            assert len(server.requests) == 1
            await asyncio.sleep(63)
            await second.get_delivery("dlv_1")


@pytest.mark.looptime
async def test_a_pause_that_ends_with_the_call_is_not_slept_through() -> None:
    """The wait itself would just fit, but the pause is stretched a little: several processes must not return as one."""
    async with RawServer([server_scripts.respond(429, b"{}", "Retry-After: 4")]) as server:
        for number in range(20):
            timeout = Timeout(attempt=4.01, total=4.01)
            async with DeliveryClient(f"key-{number}", base_url=server.base_url, timeout=timeout) as client:
                with pytest.raises(RateLimitedError) as caught:
                    await client.get_delivery("dlv_1")
                assert caught.value.retry_after == 4
