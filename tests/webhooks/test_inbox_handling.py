"""Handling: when a handler runs, for how long and how often, and what becomes of an event whose handler fails."""

import asyncio
import contextlib
import contextvars
import logging
import time

import pytest

from kaspi_delivery_async import (
    DeliveryWebhook,
    RetryPolicy,
    WebhookVerificationError,
)
from kaspi_delivery_async.webhooks.worker import LEASE
from tests.support.inboxes import BrokenStore, Handler, new_inbox, receive
from tests.support.webhook_messages import headers

ONCE = RetryPolicy(max_attempts=1)
SOON = RetryPolicy(max_attempts=2, base=0.01, cap=0.02)


@pytest.mark.looptime
async def test_an_idle_worker_begins_at_once() -> None:
    handler = Handler()
    async with new_inbox(handler=handler) as inbox:
        await asyncio.sleep(0.5)
        await receive(inbox)
        await asyncio.sleep(0.1)

        assert handler.times == [0.5]


@pytest.mark.looptime
async def test_no_more_handlers_run_at_once_than_allowed() -> None:
    handler = Handler(seconds=5.0)
    async with new_inbox(handler=handler, concurrency=3) as inbox:
        for number in range(10):
            await receive(inbox, f"wh_{number}")
        await asyncio.sleep(100.0)

    assert (handler.most_running, len(handler.handled)) == (3, 10)
    assert max(handler.times) == pytest.approx(15.0)


@pytest.mark.looptime
async def test_a_handler_that_raises_is_tried_again_after_growing_waits() -> None:
    handler = Handler(failures=2)
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)

    # 10 s after the first, 15 s (the cap) after the second; the store is looked into every second
    assert [round(at) for at in handler.times] == [0, 10, 25]
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_a_handler_that_keeps_raising_leaves_a_dead_letter_with_its_error() -> None:
    handler = Handler(failures=99)
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox, "wh_7")
        await asyncio.sleep(1000.0)
        [letter] = await inbox.dead_letters()

    assert (letter.error, letter.attempts, len(handler.began)) == ("ValueError: no courier", 3, 3)
    assert letter.event is not None
    assert letter.event.event_id == "wh_7"


@pytest.mark.looptime
async def test_a_handler_that_meets_a_cancellation_of_something_else_has_failed() -> None:
    handler = Handler(failures=2, error=asyncio.CancelledError("the courier's lookup"))
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)

    assert [round(at) for at in handler.times] == [0, 10, 25]
    assert len(handler.handled) == 1


@pytest.mark.looptime
async def test_a_failure_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    async with new_inbox(handler=Handler(failures=1)) as inbox:
        await receive(inbox)
        await asyncio.sleep(0.1)

    [record] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == "attempt 1 to handle event 1 failed"
    assert record.exc_info is not None


@pytest.mark.looptime
async def test_an_error_that_no_database_can_keep_is_written_down_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="kaspi_delivery_async")  # a parallel test run could not report such a log
    handler = Handler(failures=99, error=ValueError("\0\ud800" + "x" * 5000))
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.0)
        [letter] = await inbox.dead_letters()

    assert letter.error.startswith("ValueError: \N{REPLACEMENT CHARACTER}?xxx")
    assert len(letter.error) == 2000


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class OwnBase(BaseException):
    pass


@pytest.mark.looptime
@pytest.mark.parametrize("error", [UnspeakableError(), OwnBase("mine"), pytest.fail.Exception("failed"), SystemExit(3)])
async def test_whatever_a_handler_raises_its_event_is_tried_as_retry_says(error: BaseException) -> None:
    attempts: list[float] = []

    async def handle(event: DeliveryWebhook) -> None:
        attempts.append(asyncio.get_running_loop().time())
        raise error

    async with new_inbox(handler=handle, retry=SOON) as inbox:
        await receive(inbox)
        await asyncio.sleep(3.0)
        [letter] = await inbox.dead_letters()

    assert len(attempts) == 2
    assert attempts[1] - attempts[0] < 2.0
    assert letter.error.startswith(f"{type(error).__name__}: ")


def test_ctrl_c_within_a_handler_ends_the_program() -> None:
    async def handle(event: DeliveryWebhook) -> None:
        raise KeyboardInterrupt

    async def serve() -> None:
        async with new_inbox(handler=handle) as inbox:
            await receive(inbox)
            await asyncio.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(serve())


@pytest.mark.looptime
async def test_handlers_that_never_return_make_room_for_others() -> None:
    handled: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        if event.event_id.startswith("hang"):
            await asyncio.Event().wait()
        handled.append(event.event_id)

    async with new_inbox(handler=handle, retry=ONCE, handler_timeout=0.5) as inbox:
        for number in range(32):
            await receive(inbox, f"hang_{number}")
        await asyncio.sleep(0.2)
        await receive(inbox, "wh_33")
        await asyncio.sleep(4.0)
        letters = await inbox.dead_letters()

    assert handled == ["wh_33"]
    assert {letter.error for letter in letters} == {"HandlerTimeoutError: it ran for more than 0.5 s"}
    assert len(letters) == 32


@pytest.mark.looptime
async def test_a_handler_that_swallows_its_cancellation_makes_room_and_is_not_run_beside_itself() -> None:
    runs: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        runs.append(event.event_id)
        if event.event_id == "stubborn":
            deadline = asyncio.get_running_loop().time() + 100.0
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(left)

    async with new_inbox(handler=handle, handler_timeout=1.0, concurrency=1) as inbox:
        await receive(inbox, "stubborn")
        await asyncio.sleep(0.1)
        await receive(inbox, "wh_2")
        await asyncio.sleep(50.0)
        assert runs == ["stubborn", "wh_2"]
        await asyncio.sleep(60.0)

        assert runs == ["stubborn", "wh_2"]
        assert (await inbox.totals()).handled == 2


tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")


async def test_a_handler_does_not_run_in_the_context_of_the_request_that_came_first() -> None:
    seen: asyncio.Queue[str | None] = asyncio.Queue()

    async def handle(event: DeliveryWebhook) -> None:
        seen.put_nowait(tenant.get(None))

    inbox = new_inbox(handler=handle)

    async def request(number: int) -> None:
        tenant.set(f"tenant {number}")
        await receive(inbox, f"wh_{number}")

    await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(3)))
    async with asyncio.timeout(30):
        assert [await seen.get() for _ in range(3)] == [None, None, None]
    await inbox.aclose()


@pytest.mark.looptime
async def test_a_replayed_dead_letter_is_handled_at_once() -> None:
    handler = Handler(failures=3)
    async with new_inbox(handler=handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(100.5)
        before = asyncio.get_running_loop().time()

        assert await inbox.replay() == 1
        await asyncio.sleep(0.1)

        assert handler.times[3] == before
        assert (await inbox.totals()).handled == 1


async def test_dead_letters_are_replayed_without_a_worker_too() -> None:
    inbox = new_inbox()
    assert await inbox.replay([1]) == 0


@pytest.mark.looptime
async def test_a_replayed_message_that_still_cannot_be_read_is_a_dead_letter_again() -> None:
    raw = b"[]"
    handler = Handler()
    async with new_inbox(handler=handler) as inbox:
        with pytest.raises(WebhookVerificationError):
            await inbox.receive(raw, headers(raw, at=time.time()))
        await inbox.replay()
        await asyncio.sleep(0.1)
        [letter] = await inbox.dead_letters()

    assert (handler.began, letter.attempts) == ([], 1)


@pytest.mark.looptime
async def test_a_worker_outlasts_failures_of_its_store(caplog: pytest.LogCaptureFixture) -> None:
    store, handler = BrokenStore(), Handler()
    store.broken = {"lease"}
    async with new_inbox(store, handler=handler) as inbox:
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
    async with new_inbox(store, handler=handler) as inbox:
        await receive(inbox)
        await asyncio.sleep(1.0)
        store.broken = set()
        await asyncio.sleep(LEASE + 1.0)

        assert (await inbox.totals()).handled == 1
    assert len(handler.handled) == 2
    assert "it will be handled again" in caplog.text
