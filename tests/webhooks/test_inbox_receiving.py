"""Receiving: what is stored, acknowledged and announced, and in which context."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from kaspi_delivery_async import (
    DeliveryStatus,
    RetryPolicy,
    StatusHub,
    WebhookVerificationError,
)
from kaspi_delivery_async.webhooks import MemoryStore, worker
from kaspi_delivery_async.webhooks.stored_events import EventState, EventUpdate, Message
from kaspi_delivery_async.webhooks.worker import RETENTION
from tests.support.inboxes import BrokenStore, Handler, new_inbox, receive
from tests.support.webhook_messages import NOW, body, headers

ONCE = RetryPolicy(max_attempts=1)
SOON = RetryPolicy(max_attempts=2, base=0.01, cap=0.02)


@pytest.mark.looptime
async def test_an_event_is_handled_as_it_came() -> None:
    handler = Handler()
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox, "wh_9", status="accepted", delivery_id="dlv_9")
        await asyncio.sleep(0.1)

    [event] = handler.handled
    assert (event.event_id, event.type, event.data.status) == ("wh_9", "delivery.accepted", DeliveryStatus.ACCEPTED)
    assert (event.data.delivery_id, event.data.external_order_id) == ("dlv_9", "order-742")


@pytest.mark.looptime
async def test_an_event_of_unknown_type_and_status_is_handled_as_it_is() -> None:
    handler = Handler()
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox, status="weighed")
        await asyncio.sleep(0.1)

    [event] = handler.handled
    assert (str(event.type), str(event.data.status)) == ("delivery.weighed", "weighed")


@pytest.mark.looptime
async def test_an_event_is_acknowledged_before_it_is_handled() -> None:
    handler = Handler(seconds=60.0)
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox)
        assert asyncio.get_running_loop().time() == 0.0
        await asyncio.sleep(61.0)
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_the_same_event_a_hundred_times_at_once_is_handled_once() -> None:
    handler = Handler(seconds=1.0)
    async with new_inbox(handler=handler) as inbox:
        duplicates = await asyncio.gather(*(receive(inbox) for _ in range(100)))
        await asyncio.sleep(100.0)
        totals = await inbox.totals()

    assert sorted(duplicates) == [False] + [True] * 99
    assert len(handler.began) == 1
    assert (totals.handled, totals.duplicates, totals.attempts) == (1, 99, 1)


@pytest.mark.looptime
async def test_without_a_handler_events_wait_for_a_process_that_has_one() -> None:
    store, handler = MemoryStore(), Handler()
    async with new_inbox(store) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)
        assert (await inbox.totals()).waiting == 1

    async with new_inbox(store, handler=handler):
        await asyncio.sleep(0.1)
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_the_hub_receives_every_event() -> None:
    hub = StatusHub()
    async with new_inbox(hub=hub) as inbox:
        with hub.listen("dlv_1") as queue:
            await receive(inbox, status="accepted")

    assert queue.get_nowait().status == "accepted"


async def test_a_message_that_is_not_genuine_is_not_stored() -> None:
    inbox = new_inbox(handler=Handler())
    raw = body()

    with pytest.raises(WebhookVerificationError) as caught:
        await inbox.receive(raw, headers(raw, at=time.time(), secret="another"))

    assert caught.value.reason == "signature_mismatch"
    assert (await inbox.totals()).waiting == 0


@pytest.mark.looptime
async def test_a_genuine_message_that_cannot_be_read_is_kept_as_a_dead_letter() -> None:
    raw = b'{"eventId": 7}'
    handler = Handler()
    async with new_inbox(handler=handler) as inbox:
        for _ in range(2):
            with pytest.raises(WebhookVerificationError) as caught:
                await inbox.receive(raw, headers(raw, at=time.time()))
        [letter] = await inbox.dead_letters()

    assert caught.value.reason == "malformed_body"
    assert (letter.body, letter.event, letter.duplicates) == (raw, None, 1)
    assert "$.eventId" in letter.error


async def test_the_error_of_a_store_is_raised_and_wakes_nobody() -> None:
    store, hub = BrokenStore(), StatusHub()
    store.broken = {"add"}
    inbox = new_inbox(store, hub=hub)

    with hub.listen("dlv_1") as queue, pytest.raises(OSError, match="add failed"):
        await receive(inbox)

    assert queue.empty()


async def test_a_time_of_receipt_may_be_a_datetime() -> None:
    inbox = new_inbox()
    raw = body()
    await inbox.receive(raw, headers(raw, at=1.7e9), datetime.fromtimestamp(1.7e9, tz=UTC))

    assert (await inbox.totals()).oldest_received_at == 1.7e9
    await inbox.aclose()


@pytest.mark.looptime
async def test_handled_events_are_forgotten_after_their_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PRUNING", 60.0)
    store = MemoryStore()
    for key, age in (("week", RETENTION + 1), ("almost", RETENTION - 30)):
        await store.add(Message(key=key, body=body(key), received_at=NOW - age, event=None))
        for lease in await store.lease(worker="w", seconds=1.0, limit=1):
            await store.update(lease, EventUpdate(state=EventState.HANDLED))

    def clock() -> float:
        return NOW + asyncio.get_running_loop().time()

    async with new_inbox(store, handler=Handler(), clock=clock) as inbox:
        await asyncio.sleep(1.0)
        at_first = (await inbox.totals()).handled
        await asyncio.sleep(60.0)
        later = (await inbox.totals()).handled

    assert (at_first, later) == (1, 0)
