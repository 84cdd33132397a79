"""A pause that begins while turns are waited for."""

import asyncio

import pytest

from kaspi_delivery_async import DeadlineExceededError, Limits
from kaspi_delivery_async._call.limiter import Priority, Queue
from kaspi_delivery_async._call.throttle import Throttle

ONE = Limits(max_connections=1)

pytestmark = pytest.mark.looptime


async def test_a_pause_beyond_their_deadline_turns_away_those_who_still_wait() -> None:
    """One of them was cancelled just before, and stays cancelled."""
    queue = Queue(Throttle())
    await queue.enter(ONE, deadline=100, priority=Priority.WRITE)
    waiting = [asyncio.create_task(queue.enter(ONE, deadline=50, priority=Priority.WRITE)) for _ in range(2)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    await asyncio.sleep(0)
    queue.throttle(60, draw=0)
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    with pytest.raises(DeadlineExceededError) as turned_away:
        await waiting[1]
    assert turned_away.value.retry_after == pytest.approx(60)
    assert asyncio.get_running_loop().time() == pytest.approx(1)
