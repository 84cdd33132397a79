"""Deadlines that share a timer: each ends at its own time, and only what is its own."""

import asyncio
import gc
import weakref

import pytest

from kaspi_delivery_async._transport.deadlines import Deadlines


async def sleep_within(deadlines: Deadlines, seconds: float) -> float:
    """Sleep under a deadline, and return the loop's time when that is over."""
    loop = asyncio.get_running_loop()
    try:
        with deadlines.begin(loop.time()):
            await asyncio.sleep(seconds)
    except TimeoutError:
        return loop.time()
    return -loop.time()


@pytest.mark.looptime
async def test_each_ends_at_its_own_time() -> None:
    deadlines, began = Deadlines(10), asyncio.get_running_loop().time()

    async def later(delay: float, seconds: float) -> float:
        await asyncio.sleep(delay)
        return await sleep_within(deadlines, seconds)

    ends = await asyncio.gather(later(0, 1), later(2, 100), later(5, 100), later(30, 100))
    assert [round(abs(end) - began, 6) for end in ends] == [1, 12, 15, 40]
    assert [end > 0 for end in ends] == [False, True, True, True]


@pytest.mark.looptime
async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    task = asyncio.create_task(sleep_within(Deadlines(10), 100))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.looptime
async def test_a_cancellation_from_outside_goes_before_a_timeout_at_the_same_moment() -> None:
    task = asyncio.create_task(sleep_within(Deadlines(10), 100))
    asyncio.get_running_loop().call_later(10, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.looptime
async def test_an_error_at_the_last_moment_stays_what_it_is() -> None:
    async def fail() -> None:
        with Deadlines(1).begin(asyncio.get_running_loop().time()):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                raise OSError("it broke while it was being cancelled") from None

    with pytest.raises(OSError, match="it broke"):
        await fail()
    await asyncio.sleep(1)  # the task itself is not left cancelled


def test_they_do_not_keep_an_event_loop() -> None:
    deadlines, loops = Deadlines(10), list[weakref.ref[asyncio.AbstractEventLoop]]()

    async def use() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await sleep_within(deadlines, 0)

    asyncio.run(use())
    gc.collect()
    assert loops[0]() is None


async def test_only_a_task_can_have_one() -> None:
    """What is called back by the event loop can neither wait nor be cancelled."""
    complaints: list[str] = []

    def enter() -> None:
        with pytest.raises(RuntimeError) as caught:
            Deadlines(1).begin(0.0)
        complaints.append(str(caught.value))

    asyncio.get_running_loop().call_soon(enter)
    await asyncio.sleep(0.01)
    assert "within a task" in complaints[0]
