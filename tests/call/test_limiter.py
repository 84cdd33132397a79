"""Whose turn it is: order, urgency, and turns that nobody is left to use."""

import asyncio

import pytest

from kaspi_delivery_async import DeadlineExceededError, Limits
from kaspi_delivery_async._call.limiter import Priority, Queue, shared_limiter
from kaspi_delivery_async._call.throttle import Throttle

ONE = Limits(max_connections=1)

pytestmark = pytest.mark.looptime


async def enter(queue: Queue, name: str, order: list[str], *, urgent: bool = False, deadline: float = 100) -> None:
    await queue.enter(ONE, deadline=deadline, priority=Priority.WRITE, again=urgent)
    order.append(name)
    await asyncio.sleep(1)
    queue.leave()


async def test_turns_come_in_order_but_the_urgent_go_first() -> None:
    """A request that was turned away once must not starve behind those that never tried."""
    queue, order = Queue(Throttle()), list[str]()
    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "third"):
            group.create_task(enter(queue, name, order))
        await asyncio.sleep(0.5)
        group.create_task(enter(queue, "urgent", order, urgent=True))
    assert order == ["first", "urgent", "second", "third"]


async def test_a_turn_is_passed_on_when_its_owner_is_cancelled() -> None:
    queue, order = Queue(Throttle()), list[str]()
    await queue.enter(ONE, deadline=100, priority=Priority.WRITE)
    waiting = [asyncio.create_task(enter(queue, name, order)) for name in ("cancelled", "next")]
    await asyncio.sleep(0.1)
    queue.leave()  # gives the turn to the first of them, which is cancelled before it can use it
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == ["next"]


async def test_those_who_gave_up_are_passed_over() -> None:
    queue, order = Queue(Throttle()), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(enter(queue, "first", order))
        impatient = asyncio.create_task(enter(queue, "impatient", order, deadline=0.5))
        group.create_task(enter(queue, "last", order))
    with pytest.raises(DeadlineExceededError):
        await impatient
    assert order == ["first", "last"]


async def test_everyone_waits_for_the_end_of_a_pause() -> None:
    queue, order = Queue(Throttle()), list[str]()
    queue.throttle(10, draw=0)
    await enter(queue, "late", order)
    assert asyncio.get_running_loop().time() == pytest.approx(11)


async def test_a_limiter_belongs_to_a_key_and_a_host() -> None:
    mine = shared_limiter("key", "https://api.kaspi.kz/delivery")
    assert shared_limiter("key", "https://api.kaspi.kz/other") is mine
    assert shared_limiter("key", "https://sandbox.kaspi.kz/delivery") is not mine
    assert shared_limiter("other", "https://api.kaspi.kz/delivery") is not mine
    assert mine.queue() is mine.queue()
