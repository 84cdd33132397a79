"""Closing and opening again: what happens to handlers and events meanwhile."""

import asyncio
import contextlib
import time

import pytest

from kaspi_delivery_async import (
    DeliveryWebhook,
    RetryPolicy,
    StorageError,
)
from kaspi_delivery_async.webhooks import MemoryStore
from kaspi_delivery_async.webhooks.stored_events import Lease
from kaspi_delivery_async.webhooks.worker import LEASE
from tests.support.inboxes import BrokenStore, Handler, new_inbox, receive
from tests.support.webhook_messages import body, headers

ONCE = RetryPolicy(max_attempts=1)
SOON = RetryPolicy(max_attempts=2, base=0.01, cap=0.02)


@pytest.mark.looptime
async def test_closing_waits_for_handlers_within_its_grace() -> None:
    handler = Handler(seconds=5.0)
    inbox = new_inbox(handler=handler)
    await receive(inbox)
    await asyncio.sleep(0.1)

    await inbox.aclose(grace=10.0)

    assert len(handler.handled) == 1
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)


@pytest.mark.looptime
async def test_a_handler_that_outlasts_the_grace_is_cancelled_and_its_event_left_to_others() -> None:
    store, slow, other = MemoryStore(), Handler(seconds=3600.0), Handler()
    inbox = new_inbox(store, handler=slow)
    await receive(inbox)
    await asyncio.sleep(0.1)
    await inbox.aclose(grace=10.0)

    async with new_inbox(store, handler=other):
        await asyncio.sleep(0.1)

    assert slow.running == 0
    assert (len(slow.handled), len(other.handled)) == (0, 1)
    assert (await store.totals()).attempts == 1


class LateStore(MemoryStore):
    """Takes a while to say which events it has leased."""

    async def lease(self, *, worker: str, seconds: float, limit: int) -> list[Lease]:
        leases = await super().lease(worker=worker, seconds=seconds, limit=limit)
        await asyncio.sleep(3.0)
        return leases


@pytest.mark.looptime
@pytest.mark.parametrize(("grace", "handled_at"), [(10.0, 6.0), (1.0, LEASE + 5.0)])
async def test_events_that_were_being_taken_up_when_an_inbox_closed_are_left_to_others(
    grace: float, handled_at: float
) -> None:
    """A store that does not end within the grace keeps them until their lease is over."""
    store, first, other = LateStore(), Handler(), Handler()
    inbox = new_inbox(store, handler=first)
    await receive(inbox)
    await asyncio.sleep(0.1)
    await inbox.aclose(grace=grace)

    async with new_inbox(store, handler=other):
        await asyncio.sleep(LEASE + 10.0)

    assert (len(first.handled), len(other.handled)) == (0, 1)
    assert other.times[0] == pytest.approx(handled_at, abs=5.0)
    assert (await store.totals()).attempts == (1 if grace > 3.0 else 2)


@pytest.mark.looptime
async def test_an_inbox_closes_though_its_store_fails(caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore()
    store.broken = {"release"}
    async with new_inbox(store, handler=Handler(seconds=3600.0)) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)

    assert "1 events could not be given back" in caplog.text


@pytest.mark.looptime
async def test_a_failing_store_is_not_asked_to_take_back_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore()
    store.broken = {"lease", "release"}
    async with new_inbox(store, handler=Handler()) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)

    assert "trying again" in caplog.text
    assert "could not be given back" not in caplog.text


@pytest.mark.looptime
async def test_an_inbox_opens_again_after_it_was_closed() -> None:
    handler = Handler()
    inbox = new_inbox(handler=handler)
    for event_id in ("wh_1", "wh_2"):
        async with inbox:
            await receive(inbox, event_id)
            await asyncio.sleep(0.1)

    assert [event.event_id for event in handler.handled] == ["wh_1", "wh_2"]


async def test_an_inbox_that_was_never_opened_closes() -> None:
    await new_inbox(handler=Handler()).aclose()


@pytest.mark.looptime
async def test_closing_does_not_wait_for_a_handler_that_swallows_its_cancellation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handle(event: DeliveryWebhook) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(50.0)
        await asyncio.sleep(5.0)

    inbox = new_inbox(handler=handle)
    await receive(inbox)
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()

    await inbox.aclose(grace=0.2)

    assert asyncio.get_running_loop().time() - began < 3.0
    assert "1 handlers go on although they were cancelled" in caplog.text
    await asyncio.sleep(10.0)


async def hang(event: DeliveryWebhook) -> None:
    await asyncio.Event().wait()


@pytest.mark.looptime
@pytest.mark.parametrize("raw", [body("wh_2"), b"{}"])
async def test_receiving_while_closing_is_refused(raw: bytes) -> None:
    inbox = new_inbox(handler=hang)
    await receive(inbox)
    await asyncio.sleep(0.1)
    closing = [asyncio.create_task(inbox.aclose(grace=3.0)) for _ in range(2)]
    await asyncio.sleep(0.1)

    with pytest.raises(StorageError, match="is closing"):
        await inbox.receive(raw, headers(raw, at=time.time()))

    await asyncio.gather(*closing)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.looptime
async def test_an_inbox_that_was_entered_twice_is_closed_by_the_last_to_leave() -> None:
    handled: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        handled.append(event.event_id)

    store = MemoryStore()
    inbox = new_inbox(store, handler=handle)
    async with inbox:
        async with inbox:
            pass
        await receive(new_inbox(store))
        await asyncio.sleep(2.0)

    assert handled == ["wh_1"]


@pytest.mark.looptime
async def test_closing_that_is_cancelled_leaves_no_handler_behind() -> None:
    ended: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        try:
            await asyncio.sleep(3.0)
        except asyncio.CancelledError:
            ended.append(event.event_id)
            if event.event_id == "stubborn":
                await asyncio.sleep(3.0)
            raise

    inbox = new_inbox(MemoryStore(), handler=handle, handler_timeout=1.0)
    await receive(inbox, "stubborn")
    await asyncio.sleep(1.5)
    await receive(inbox, "wh_2")
    await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await inbox.aclose(grace=60.0)
    await asyncio.sleep(5.0)

    assert ended == ["stubborn", "wh_2"]
