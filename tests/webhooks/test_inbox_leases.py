"""Leases: no two handlers of one event at a time, whatever clocks, processes and stores do."""

import asyncio
import time
from typing import Any

import pytest

from kaspi_delivery_async import (
    DeliveryWebhook,
    RetryPolicy,
)
from kaspi_delivery_async.webhooks import MemoryStore, worker
from kaspi_delivery_async.webhooks.worker import CLEAN_UP, LEASE
from tests.support.inboxes import POLICY, Handler, new_inbox, receive

ONCE = RetryPolicy(max_attempts=1)
SOON = RetryPolicy(max_attempts=2, base=0.01, cap=0.02)


@pytest.mark.looptime
async def test_a_long_handler_keeps_its_lease() -> None:
    store, slow, other = MemoryStore(), Handler(seconds=10 * LEASE), Handler()
    async with new_inbox(store, handler=slow) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)
        async with new_inbox(store, handler=other):
            await asyncio.sleep(11 * LEASE)

    assert (len(slow.handled), other.began) == (1, [])


@pytest.mark.looptime
async def test_events_of_a_worker_that_vanished_are_taken_up_when_their_lease_ends() -> None:
    store, handler = MemoryStore(), Handler()
    await receive(new_inbox(store))
    await store.lease(worker="killed", seconds=LEASE, limit=1)

    async with new_inbox(store, handler=handler):
        await asyncio.sleep(2 * LEASE)

    assert [round(at) for at in handler.times] == [LEASE]


@pytest.mark.looptime
async def test_an_event_whose_process_ends_each_time_becomes_a_dead_letter() -> None:
    store, handler = MemoryStore(), Handler()
    await receive(new_inbox(store))
    for _ in range(POLICY.max_attempts):
        await store.lease(worker="killed", seconds=0.0, limit=1)

    async with new_inbox(store, handler=handler) as inbox:
        await asyncio.sleep(1.0)
        [letter] = await inbox.dead_letters()

    assert handler.began == []
    assert letter.error == "WorkerKilledError: its process ended each time that it was handled"


@pytest.mark.parametrize("kind", ["memory", "file", "postgresql_url"])
async def test_clocks_that_jump_or_disagree_run_no_handler_beside_itself(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = MemoryStore() if kind == "memory" else request.getfixturevalue(kind)
    monkeypatch.setattr(worker, "POLL", 0.05)
    ahead, step, time_of_day = 0.0, 0.0, time.time
    runs: list[str] = []
    goes_on = asyncio.Event()

    def jumping_clock() -> float:
        nonlocal ahead
        ahead += step
        return time_of_day() + ahead

    async def handle(event: DeliveryWebhook) -> None:
        runs.append(event.event_id)
        await goes_on.wait()

    monkeypatch.setattr(time, "time", jumping_clock)
    async with (
        new_inbox(store, handler=handle) as jumps,
        new_inbox(store, handler=handle, clock=lambda: time.time() + LEASE + 10.0) as fast,
    ):
        await receive(jumps)
        await receive(fast, "wh_2")
        async with asyncio.timeout(30):
            while len(runs) < 2:
                await asyncio.sleep(0.01)
        step = LEASE + 1.0
        await asyncio.sleep(0.3)
        assert sorted(runs) == ["wh_1", "wh_2"]
        assert (await jumps.totals()).attempts == 2
        goes_on.set()


class SilentStore(MemoryStore):
    """Renews no lease, as if the database could not be reached, or did not respond."""

    def __init__(self, *, raises: bool) -> None:
        super().__init__()
        self.raises = raises

    async def renew(self, leases: Any, *, seconds: float) -> None:
        if self.raises:
            raise OSError("unreachable")
        await asyncio.sleep(3600.0)


@pytest.mark.looptime
@pytest.mark.parametrize("raises", [True, False])
async def test_a_handler_whose_lease_cannot_be_renewed_is_cancelled_and_has_cleaned_up_before_another_begins(
    raises: bool,
) -> None:
    running = most = 0
    cleaned_up: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(2 * LEASE)
        finally:
            await asyncio.sleep(CLEAN_UP - 0.1)
            cleaned_up.append(event.event_id)
            running -= 1

    store = SilentStore(raises=raises)
    settings: dict[str, Any] = {"handler": handle, "handler_timeout": None, "retry": SOON}
    async with new_inbox(store, **settings) as inbox, new_inbox(store, **settings):
        await receive(inbox)
        await asyncio.sleep(4 * LEASE)
        [letter] = await inbox.dead_letters()

    assert (most, cleaned_up) == (1, ["wh_1", "wh_1"])
    assert letter.error.startswith("LeaseLostError: the store could not be reached")


@pytest.mark.looptime
async def test_a_handler_that_outlasts_its_lease_is_not_run_beside_itself_by_its_own_inbox() -> None:
    running = most = 0

    async def handle(event: DeliveryWebhook) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(2 * LEASE)
        finally:
            await asyncio.sleep(2 * CLEAN_UP)
            running -= 1

    async with new_inbox(SilentStore(raises=True), handler=handle, retry=SOON) as inbox:
        await receive(inbox)
        await asyncio.sleep(4 * LEASE)

    assert most == 1
