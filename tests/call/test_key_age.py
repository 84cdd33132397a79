"""A keyed write is not sent again at 23 hours or more, whichever clock says so and wherever the machine slept."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryClient, KaspiDeliveryError, Outcome, RetryPolicy, Timeout, operations
from tests.support import server_scripts, virtual_time
from tests.support.orders import order
from tests.support.raw_server import Exchange, Play, RawServer

HOUR = 3600.0
WRITES: dict[str, Callable[[DeliveryClient], Awaitable[Any]]] = {
    "create": lambda client: client.create_delivery(order()),
    "cancel": lambda client: client.cancel_delivery("dlv_1"),
}


class WallClock:
    """The wall clock of a machine that may be suspended: its monotonic clock then stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._time, self.offset = time.time, 0.0
        monkeypatch.setattr(time, "time", lambda: self._time() + self.offset)

    def during(self, play: Play, hours: float) -> Play:
        async def suspended(exchange: Exchange) -> None:
            await play(exchange)
            self.offset += hours * HOUR

        return suspended


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


FAULTS = [server_scripts.respond(503, b""), server_scripts.close_after_request, server_scripts.respond(408, b"")]


@pytest.mark.looptime
@pytest.mark.parametrize("fault", FAULTS, ids=["503", "hang-up", "408"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_machine_that_slept_a_day_in_an_attempt_does_not_send_again(
    write: str, fault: Play, wall_clock: WallClock
) -> None:
    server = RawServer([wall_clock.during(fault, 25), server_scripts.respond(200)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(KaspiDeliveryError) as caught:
            await WRITES[write](client)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(server.requests) == 1


@pytest.mark.looptime
@pytest.mark.parametrize("hours", [22.0, -48.0])
@pytest.mark.parametrize("write", WRITES)
async def test_within_23_hours_it_is_sent_again(write: str, hours: float, wall_clock: WallClock) -> None:
    server = RawServer([wall_clock.during(FAULTS[0], hours), server_scripts.respond(200)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        await WRITES[write](client)


@pytest.mark.looptime
async def test_a_read_has_no_key_that_could_expire(wall_clock: WallClock) -> None:
    server = RawServer([wall_clock.during(FAULTS[0], 25), server_scripts.respond(200)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        assert (await client.get_delivery("dlv_1")).delivery_id == "dlv_1"


@pytest.mark.looptime
async def test_a_clock_set_back_after_a_sleep_makes_no_key_younger(wall_clock: WallClock) -> None:
    script = [wall_clock.during(FAULTS[0], 12), wall_clock.during(FAULTS[0], -12), wall_clock.during(FAULTS[0], 12)]
    server = RawServer([*script, server_scripts.respond(200)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        with pytest.raises(KaspiDeliveryError):
            await client.create_delivery(order())
    assert len(server.requests) == 3


@pytest.mark.looptime
@pytest.mark.parametrize("slept_in", ["the wait", "the pause of everyone", "the key function"])
async def test_a_machine_that_slept_between_two_attempts_does_not_send_again(
    slept_in: str, wall_clock: WallClock
) -> None:
    """The last look at the clocks is when the bytes are about to leave."""
    calls = 0

    async def api_key() -> str:
        nonlocal calls
        calls += 1
        if slept_in == "the key function" and calls == 2:
            wall_clock.offset += 25 * HOUR
        return "key"

    first = server_scripts.respond(429 if slept_in != "the wait" else 503, b"", "Retry-After: 5")
    server = RawServer([first, server_scripts.respond(200)])
    async with server, DeliveryClient(api_key, base_url=server.base_url) as client:
        if slept_in != "the key function":
            asyncio.get_running_loop().call_later(2, setattr, wall_clock, "offset", 25 * HOUR)
        with pytest.raises(KaspiDeliveryError) as caught:
            await client.create_delivery(order())
    assert len(server.requests) == 1
    assert "23 hours" in str(caught.value)


@pytest.mark.looptime
@pytest.mark.parametrize(("hours", "sent"), [(22.9, 1), (23.0, 0), (30.0, 0)])
async def test_the_age_that_a_key_had_before_the_call_counts(hours: float, sent: int) -> None:
    server = RawServer([server_scripts.respond(201)])
    async with server, DeliveryClient("key", base_url=server.base_url) as client:
        call = client.send(operations.create_delivery(order()), key_age=hours * HOUR)
        if sent:
            await call
        else:
            with pytest.raises(KaspiDeliveryError, match="23 hours"):
                await call
    assert len(server.requests) == sent


steps = st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 30)), min_size=1, max_size=6)


@settings(max_examples=60)
@given(steps=steps)
def test_no_request_leaves_under_a_key_of_23_hours_by_either_clock(steps: list[tuple[float, float]]) -> None:
    """Each step suspends the machine, sets its wall clock, or lets hours pass while a request is in flight."""
    sent: list[tuple[float, float]] = []
    rest = list(steps)

    async def call(monkeypatch: pytest.MonkeyPatch) -> None:
        clock, loop = WallClock(monkeypatch), asyncio.get_running_loop()

        async def play(exchange: Exchange) -> None:
            await exchange.read()
            sent.append((clock.offset / HOUR, loop.time() / HOUR))
            if not rest:
                exchange.writer.write(b"HTTP/1.1 201 X\r\nContent-Length: 39\r\n\r\n")
                exchange.writer.write(b'{"deliveryId":"dlv","status":"created"}')
                return
            wall, both = rest.pop(0)
            clock.offset += (wall + both) * HOUR  # virtual hours pass on no wall clock by themselves
            await asyncio.sleep(both * HOUR)
            exchange.writer.write(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")

        options = {"timeout": Timeout(attempt=40 * HOUR, total=400 * HOUR), "retry": RetryPolicy(max_attempts=9)}
        async with RawServer([play]) as server, DeliveryClient("key", base_url=server.base_url, **options) as client:  # type: ignore[arg-type]
            try:
                await client.create_delivery(order())
            except KaspiDeliveryError as error:
                assert error.outcome is Outcome.UNKNOWN

    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        asyncio.Runner(loop_factory=virtual_time.new_event_loop) as runner,
    ):
        runner.run(call(monkeypatch))
    first = sent[0]
    for wall, monotonic in sent[1:]:
        assert max(wall - first[0], monotonic - first[1]) < 23.01
