"""The sandbox clock: real, sped up, driven by hand."""

import asyncio
import functools

import pytest

from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox
from tests.support.described_api import Caller

QUICK = Journey(accept=(60, 60), pickup=(60, 60), transit=(60, 60), last_mile=(60, 60))


@pytest.mark.looptime
async def test_a_real_clock_starts_at_the_wall_clock_and_keeps_pace() -> None:
    async with Sandbox(clock=Clock(wall=lambda: 1000.0)) as sandbox:
        assert sandbox.clock.now() == 1000.0
        await asyncio.sleep(5)
        assert sandbox.clock.now() == 1005.0


@pytest.mark.looptime
async def test_a_sped_up_clock_runs_ahead() -> None:
    async with Sandbox(clock=Clock(speed=600, start=0.0)) as sandbox:
        await asyncio.sleep(2)
        assert sandbox.clock.now() == 1200.0


@pytest.mark.looptime
async def test_a_driven_clock_stands_still_until_it_is_advanced() -> None:
    async with Sandbox(clock=Clock.driven(start=50.0)) as sandbox:
        await asyncio.sleep(3600)
        assert sandbox.clock.now() == 50.0
        await sandbox.clock.advance(0.5)
        assert sandbox.clock.now() == 50.5


@pytest.mark.looptime
@pytest.mark.parametrize(("clock", "seconds"), [(Clock.real(), 241), (Clock.sped_up(60), 241 / 60)])
async def test_deliveries_move_along_by_themselves(clock: Clock, seconds: float) -> None:
    async with Sandbox(clock=clock, journey=QUICK) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await asyncio.sleep(seconds)
        assert sandbox.deliveries[delivery_id].status == "delivered"


async def test_advancing_does_what_falls_due_in_order_and_at_its_time() -> None:
    async with Sandbox(clock=Clock.driven(start=0.0)) as sandbox:
        done: list[tuple[str, float]] = []

        def note(name: str) -> None:
            done.append((name, sandbox.clock.now()))

        for name, when in (("late", 30.0), ("early", 10.0), ("same time, asked second", 30.0), ("beyond", 31.0)):
            sandbox.clock.call_at(when, functools.partial(note, name))
        await sandbox.clock.advance(30)
    assert done == [("early", 10.0), ("late", 30.0), ("same time, asked second", 30.0)]


@pytest.mark.looptime
async def test_a_real_clock_can_be_advanced_too() -> None:
    async with Sandbox(journey=QUICK) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        await sandbox.clock.advance(125)
        assert sandbox.deliveries[delivery_id].status == "in_transit"
        await asyncio.sleep(56)
        assert sandbox.deliveries[delivery_id].status == "out_for_delivery"


async def test_something_due_in_the_past_does_not_turn_time_back() -> None:
    async with Sandbox(clock=Clock.driven(start=100.0)) as sandbox:
        seen: list[float] = []
        sandbox.clock.call_at(5.0, lambda: seen.append(sandbox.clock.now()))
        await sandbox.clock.advance(1)
        assert sandbox.clock.now() == 101.0
    assert seen == [100.0]


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        Clock(speed=speed)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
async def test_time_is_not_turned_back_or_lost(seconds: float) -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox:
        with pytest.raises(ValueError, match="advances"):
            await sandbox.clock.advance(seconds)


async def test_a_clock_serves_one_sandbox_at_a_time() -> None:
    clock = Clock.driven()
    async with Sandbox(clock=clock):
        with pytest.raises(RuntimeError, match="its own Clock"):
            await Sandbox(clock=clock).start()
        assert clock.now() > 0
    async with Sandbox(clock=clock):
        assert clock.now() > 0


def test_a_clock_that_does_not_run_says_so() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        Clock().now()
