"""The inbox: what it stores, when the handler runs, and what becomes of an event whose handler fails."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from kaspi_delivery_async import (
    ConfigurationError,
    DeliveryStatus,
    DeliveryWebhook,
    RetryPolicy,
    StatusHub,
    WebhookVerificationError,
)
from kaspi_delivery_async.webhooks import MemoryStore, Store, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.stored_events import EventState, EventUpdate, Lease, Message
from kaspi_delivery_async.webhooks.worker import LEASE, PRUNING, RETENTION
from tests.support.webhook_messages import NOW, SECRET, body, headers

POLICY = RetryPolicy(max_attempts=3, base=10.0, cap=15.0)


class Clock:
    """Returns the loop's time as if it were the time of day."""

    def __call__(self) -> float:
        return NOW + asyncio.get_running_loop().time()


class Handler:
    """Records what it is given; fails, or takes its time, as configured."""

    def __init__(self, *, failures: int = 0, seconds: float = 0.0, error: BaseException | None = None) -> None:
        self.began: list[tuple[float, str]] = []
        self.handled: list[DeliveryWebhook] = []
        self.failures = failures
        self.seconds = seconds
        self.error = error or ValueError("no courier")
        self.running = self.most_running = 0

    async def __call__(self, event: DeliveryWebhook) -> None:
        self.began.append((asyncio.get_running_loop().time(), event.event_id))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if len(self.began) <= self.failures:
            raise self.error
        self.handled.append(event)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.began]


class BrokenStore(MemoryStore):
    """Fails where it is to."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise OSError(f"{name} failed")

    async def add(self, message: Message) -> bool:
        self._check("add")
        return await super().add(message)

    async def lease(self, *, worker: str, seconds: float, limit: int) -> list[Lease]:
        self._check("lease")
        return await super().lease(worker=worker, seconds=seconds, limit=limit)

    async def renew(self, leases: Any, *, seconds: float) -> None:
        self._check("renew")
        await super().renew(leases, seconds=seconds)

    async def update(self, lease: Lease, result: Any) -> None:
        self._check("update")
        await super().update(lease, result)

    async def release(self, leases: Any) -> None:
        self._check("release")
        await super().release(leases)


def new_inbox(
    handler: Callable[[DeliveryWebhook], Any] | None, store: Store | None = None, **settings: Any
) -> WebhookInbox:
    clock = Clock()
    settings = dict[str, Any](retry=POLICY, handler_timeout=None, clock=clock, draw=lambda: 1.0) | settings
    return WebhookInbox(
        WebhookVerifier([SECRET], clock=clock), store=store or MemoryStore(), handler=handler, **settings
    )


async def receive(inbox: WebhookInbox, event_id: str = "wh_1", **fields: Any) -> bool:
    raw = body(event_id, **fields)
    return (await inbox.receive(raw, headers(raw, at=Clock()()))).duplicate


@pytest.mark.looptime
async def test_an_event_is_handled_as_it_came() -> None:
    handler = Handler()
    async with new_inbox(handler) as inbox:
        await receive(inbox, "wh_9", status="accepted", delivery_id="dlv_9")
        await asyncio.sleep(0.1)

    [event] = handler.handled
    assert (event.event_id, event.type, event.data.status) == ("wh_9", "delivery.accepted", DeliveryStatus.ACCEPTED)
    assert (event.data.delivery_id, event.data.external_order_id) == ("dlv_9", "order-742")


@pytest.mark.looptime
async def test_an_event_of_unknown_type_and_status_is_handled_as_it_is() -> None:
    handler = Handler()
    async with new_inbox(handler) as inbox:
        await receive(inbox, status="weighed")
        await asyncio.sleep(0.1)

    [event] = handler.handled
    assert (str(event.type), str(event.data.status)) == ("delivery.weighed", "weighed")


@pytest.mark.looptime
async def test_an_event_is_acknowledged_before_it_is_handled() -> None:
    handler = Handler(seconds=3600.0)
    async with new_inbox(handler) as inbox:
        await receive(inbox)
        assert asyncio.get_running_loop().time() == 0.0
        await asyncio.sleep(3601.0)
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_an_idle_worker_begins_at_once() -> None:
    handler = Handler()
    async with new_inbox(handler) as inbox:
        await asyncio.sleep(0.5)
        await receive(inbox)
        await asyncio.sleep(0.1)

        assert handler.times == [0.5]


@pytest.mark.looptime
async def test_the_same_event_a_hundred_times_at_once_is_handled_once() -> None:
    handler = Handler(seconds=1.0)
    async with new_inbox(handler) as inbox:
        duplicates = await asyncio.gather(*(receive(inbox) for _ in range(100)))
        await asyncio.sleep(100.0)
        totals = await inbox.totals()

    assert sorted(duplicates) == [False] + [True] * 99
    assert len(handler.began) == 1
    assert (totals.handled, totals.duplicates, totals.attempts) == (1, 99, 1)


@pytest.mark.looptime
async def test_a_handler_that_raises_is_tried_again_after_growing_waits() -> None:
    handler = Handler(failures=2)
    async with new_inbox(handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)

    # 10 s after the first, 15 s (the cap) after the second; the store is looked into every second
    assert [round(at) for at in handler.times] == [0, 10, 25]
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_a_handler_that_keeps_raising_leaves_a_dead_letter_with_its_error() -> None:
    handler = Handler(failures=99)
    async with new_inbox(handler) as inbox:
        await receive(inbox, "wh_7")
        await asyncio.sleep(1000.0)
        [letter] = await inbox.dead_letters()

    assert (letter.error, letter.attempts, len(handler.began)) == ("ValueError: no courier", 3, 3)
    assert letter.event is not None
    assert letter.event.event_id == "wh_7"


@pytest.mark.looptime
async def test_a_handler_that_meets_a_cancellation_of_something_else_has_failed() -> None:
    handler = Handler(failures=2, error=asyncio.CancelledError("the courier's lookup"))
    async with new_inbox(handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)

    assert [round(at) for at in handler.times] == [0, 10, 25]
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_a_replayed_dead_letter_is_handled_at_once() -> None:
    handler = Handler(failures=3)
    async with new_inbox(handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.5)
        before = asyncio.get_running_loop().time()

        assert await inbox.replay() == 1
        await asyncio.sleep(0.1)

        assert handler.times[3] == before
        assert (await inbox.totals()).handled == 1


async def test_dead_letters_are_replayed_without_a_worker_too() -> None:
    inbox = new_inbox(None)
    assert await inbox.replay([1]) == 0


@pytest.mark.looptime
async def test_an_error_that_no_database_can_keep_is_written_down_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="kaspi_delivery_async")  # a parallel test run could not report such a log
    handler = Handler(failures=99, error=ValueError("\0\ud800" + "x" * 5000))
    async with new_inbox(handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)
        [letter] = await inbox.dead_letters()

    assert letter.error.startswith("ValueError: \N{REPLACEMENT CHARACTER}?xxx")
    assert len(letter.error) == 2000


@pytest.mark.looptime
async def test_no_more_handlers_run_at_once_than_allowed() -> None:
    handler = Handler(seconds=5.0)
    async with new_inbox(handler, concurrency=3) as inbox:
        for number in range(10):
            await receive(inbox, f"wh_{number}")
        await asyncio.sleep(100.0)

    assert (handler.most_running, len(handler.handled)) == (3, 10)
    assert max(handler.times) == pytest.approx(15.0)


@pytest.mark.looptime
async def test_a_long_handler_keeps_its_lease() -> None:
    store, slow, other = MemoryStore(), Handler(seconds=10 * LEASE), Handler()
    async with new_inbox(slow, store) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)
        async with new_inbox(other, store):
            await asyncio.sleep(11 * LEASE)

    assert (len(slow.handled), other.began) == (1, [])


@pytest.mark.looptime
async def test_events_of_a_worker_that_vanished_are_taken_up_when_their_lease_ends() -> None:
    store, handler = MemoryStore(), Handler()
    await receive(new_inbox(None, store))
    await store.lease(worker="killed", seconds=LEASE, limit=1)

    async with new_inbox(handler, store):
        await asyncio.sleep(2 * LEASE)

    assert [round(at) for at in handler.times] == [LEASE]


@pytest.mark.looptime
async def test_an_event_whose_process_ends_each_time_becomes_a_dead_letter() -> None:
    store, handler = MemoryStore(), Handler()
    await receive(new_inbox(None, store))
    for _ in range(POLICY.max_attempts):
        await store.lease(worker="killed", seconds=0.0, limit=1)

    async with new_inbox(handler, store) as inbox:
        await asyncio.sleep(1.0)
        [letter] = await inbox.dead_letters()

    assert handler.began == []
    assert letter.error == "WorkerKilledError: its process ended each time that it was handled"


@pytest.mark.looptime
async def test_closing_waits_for_handlers_within_its_grace() -> None:
    handler = Handler(seconds=5.0)
    inbox = new_inbox(handler)
    await receive(inbox)
    await asyncio.sleep(0.1)

    await inbox.aclose(grace=10.0)

    assert len(handler.handled) == 1
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)


@pytest.mark.looptime
async def test_a_handler_that_outlasts_the_grace_is_cancelled_and_its_event_left_to_others() -> None:
    store, slow, other = MemoryStore(), Handler(seconds=3600.0), Handler()
    inbox = new_inbox(slow, store)
    await receive(inbox)
    await asyncio.sleep(0.1)
    await inbox.aclose(grace=10.0)

    async with new_inbox(other, store):
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
    inbox = new_inbox(first, store)
    await receive(inbox)
    await asyncio.sleep(0.1)
    await inbox.aclose(grace=grace)

    async with new_inbox(other, store):
        await asyncio.sleep(LEASE + 10.0)

    assert (len(first.handled), len(other.handled)) == (0, 1)
    assert other.times[0] == pytest.approx(handled_at, abs=5.0)
    assert (await store.totals()).attempts == (1 if grace > 3.0 else 2)


@pytest.mark.looptime
async def test_an_inbox_opens_again_after_it_was_closed() -> None:
    handler = Handler()
    inbox = new_inbox(handler)
    for event_id in ("wh_1", "wh_2"):
        async with inbox:
            await receive(inbox, event_id)
            await asyncio.sleep(0.1)

    assert [event.event_id for event in handler.handled] == ["wh_1", "wh_2"]


async def test_an_inbox_that_was_never_opened_closes() -> None:
    await new_inbox(Handler()).aclose()


def test_one_inbox_serves_one_event_loop_after_another() -> None:
    done: asyncio.Future[str]

    async def handle(event: DeliveryWebhook) -> None:
        done.set_result(event.event_id)

    inbox = WebhookInbox(WebhookVerifier([SECRET]), store=MemoryStore(), handler=handle)

    async def once(event_id: str) -> str:
        nonlocal done
        done = asyncio.get_running_loop().create_future()
        raw = body(event_id)
        await inbox.receive(raw, headers(raw, at=time.time()))
        return await done

    assert [asyncio.run(once(event_id)) for event_id in ("wh_1", "wh_2", "wh_3")] == ["wh_1", "wh_2", "wh_3"]


@pytest.mark.looptime
async def test_without_a_handler_events_wait_for_a_process_that_has_one() -> None:
    store, handler = MemoryStore(), Handler()
    async with new_inbox(None, store) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)
        assert (await inbox.totals()).waiting == 1

    async with new_inbox(handler, store):
        await asyncio.sleep(0.1)
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_the_hub_receives_every_event() -> None:
    hub = StatusHub()
    async with new_inbox(None, hub=hub) as inbox:
        with hub.listen("dlv_1") as queue:
            await receive(inbox, status="accepted")

    assert queue.get_nowait().status == "accepted"


async def test_a_message_that_is_not_genuine_is_not_stored() -> None:
    inbox = new_inbox(Handler())
    raw = body()

    with pytest.raises(WebhookVerificationError) as caught:
        await inbox.receive(raw, headers(raw, at=Clock()(), secret="another"))

    assert caught.value.reason == "signature_mismatch"
    assert (await inbox.totals()).waiting == 0


@pytest.mark.looptime
async def test_a_genuine_message_that_cannot_be_read_is_kept_as_a_dead_letter() -> None:
    raw = b'{"eventId": 7}'
    handler = Handler()
    async with new_inbox(handler) as inbox:
        for _ in range(2):
            with pytest.raises(WebhookVerificationError) as caught:
                await inbox.receive(raw, headers(raw, at=Clock()()))
        [letter] = await inbox.dead_letters()

    assert caught.value.reason == "malformed_body"
    assert (letter.body, letter.event, letter.duplicates) == (raw, None, 1)
    assert "$.eventId" in letter.error


@pytest.mark.looptime
async def test_a_replayed_message_that_still_cannot_be_read_is_a_dead_letter_again() -> None:
    raw = b"[]"
    handler = Handler()
    async with new_inbox(handler) as inbox:
        with pytest.raises(WebhookVerificationError):
            await inbox.receive(raw, headers(raw, at=Clock()()))
        await inbox.replay()
        await asyncio.sleep(0.1)
        [letter] = await inbox.dead_letters()

    assert (handler.began, letter.attempts) == ([], 1)


async def test_the_error_of_a_store_is_raised_and_wakes_nobody() -> None:
    store, hub = BrokenStore(), StatusHub()
    store.broken = {"add"}
    inbox = new_inbox(None, store, hub=hub)

    with hub.listen("dlv_1") as queue, pytest.raises(OSError, match="add failed"):
        await receive(inbox)

    assert queue.empty()


@pytest.mark.looptime
async def test_a_worker_outlasts_failures_of_its_store(caplog: pytest.LogCaptureFixture) -> None:
    store, handler = BrokenStore(), Handler()
    store.broken = {"lease"}
    async with new_inbox(handler, store) as inbox:
        await receive(inbox)
        await asyncio.sleep(10.5)
        assert handler.began == []
        store.broken = set()
        await asyncio.sleep(1.0)

    assert len(handler.handled) == 1
    assert "the inbox's store failed" in caplog.text


@pytest.mark.looptime
async def test_an_event_that_could_not_be_updated_is_handled_again(caplog: pytest.LogCaptureFixture) -> None:
    store, handler = BrokenStore(), Handler()
    store.broken = {"update"}
    async with new_inbox(handler, store) as inbox:
        await receive(inbox)
        await asyncio.sleep(1.0)
        store.broken = set()
        await asyncio.sleep(LEASE + 1.0)

        assert (await inbox.totals()).handled == 1
    assert len(handler.handled) == 2
    assert "it will be handled again" in caplog.text


@pytest.mark.looptime
async def test_an_inbox_closes_though_its_store_fails(caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore()
    store.broken = {"release"}
    async with new_inbox(Handler(seconds=3600.0), store) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)

    assert "1 events could not be given back" in caplog.text


@pytest.mark.looptime
async def test_a_failing_store_is_not_asked_to_take_back_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore()
    store.broken = {"lease", "release"}
    async with new_inbox(Handler(), store) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)

    assert "trying again" in caplog.text
    assert "could not be given back" not in caplog.text


@pytest.mark.looptime
async def test_handled_events_are_forgotten_hourly_after_their_retention() -> None:
    store = MemoryStore()
    for key, age in (("week", RETENTION + 1), ("almost", RETENTION - 60)):
        await store.add(Message(key=key, body=body(key), received_at=NOW - age, event=None))
        for lease in await store.lease(worker="w", seconds=1.0, limit=1):
            await store.update(lease, EventUpdate(state=EventState.HANDLED))

    async with new_inbox(Handler(), store) as inbox:
        await asyncio.sleep(1.0)
        at_first = (await inbox.totals()).handled
        await asyncio.sleep(PRUNING)
        after_an_hour = (await inbox.totals()).handled

    assert (at_first, after_an_hour) == (1, 0)


@pytest.mark.looptime
async def test_a_failure_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    async with new_inbox(Handler(failures=1)) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)

    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == "attempt 1 to handle event 1 failed"
    assert record.exc_info is not None


def test_a_worker_needs_room_for_a_handler(verifier: WebhookVerifier) -> None:
    with pytest.raises(ConfigurationError, match="concurrency is 0"):
        WebhookInbox(verifier, store=MemoryStore(), concurrency=0)


async def test_an_inbox_opens_the_store_at_a_location(verifier: WebhookVerifier, location: str) -> None:
    inbox = WebhookInbox(verifier, store=location, clock=lambda: NOW)
    raw = body()

    await inbox.receive(raw, headers(raw))
    await inbox.aclose()

    assert (await inbox.totals()).waiting == 1
    await inbox.aclose()


def test_a_location_that_is_none_is_refused_at_once(verifier: WebhookVerifier) -> None:
    with pytest.raises(ConfigurationError):
        WebhookInbox(verifier, store="mysql://host/db")
