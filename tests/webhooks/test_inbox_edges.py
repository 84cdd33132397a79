"""Edges of the inbox: handlers that hang or raise what is no exception, clocks that jump, loops, forks, lost files."""

import asyncio
import contextlib
import contextvars
import functools
import subprocess
import sys
import time
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from kaspi_delivery_async import ConfigurationError, DeliveryWebhook, RetryPolicy, StatusHub, StorageError
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier, worker
from kaspi_delivery_async.webhooks.worker import CLEAN_UP, LEASE
from tests.support.webhook_messages import SECRET, body, headers

ONCE = RetryPolicy(max_attempts=1)
SOON = RetryPolicy(max_attempts=2, base=0.01, cap=0.02)


def new_inbox(store: Any = None, **settings: Any) -> WebhookInbox:
    return WebhookInbox(WebhookVerifier([SECRET]), store=store or MemoryStore(), **settings)


async def receive(inbox: WebhookInbox, event_id: str = "wh_1", **fields: Any) -> None:
    raw = body(event_id, **fields)
    await inbox.receive(raw, headers(raw, at=time.time()))


async def hang(event: DeliveryWebhook) -> None:
    await asyncio.Event().wait()


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


@pytest.mark.parametrize("kind", ["memory", "file", "postgresql_url"])
async def test_clocks_that_jump_or_disagree_run_no_handler_beside_itself(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = MemoryStore() if kind == "memory" else request.getfixturevalue(kind)
    monkeypatch.setattr(worker, "POLL", 0.05)
    ahead = 0.0
    runs: list[str] = []
    goes_on = asyncio.Event()

    async def handle(event: DeliveryWebhook) -> None:
        nonlocal ahead
        runs.append(event.event_id)
        ahead = 60.0
        await goes_on.wait()

    jumps = new_inbox(store, handler=handle, clock=lambda: time.time() + ahead)
    async with jumps, new_inbox(store, handler=handle, clock=lambda: time.time() + LEASE + 10.0) as fast:
        await receive(jumps)
        await receive(fast, "wh_2")
        async with asyncio.timeout(30):
            while len(runs) < 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert sorted(runs) == ["wh_1", "wh_2"]
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
async def test_receiving_while_closing_is_refused() -> None:
    inbox = new_inbox(handler=hang)
    await receive(inbox)
    await asyncio.sleep(0.1)
    closing = [asyncio.create_task(inbox.aclose(grace=3.0)) for _ in range(2)]
    await asyncio.sleep(0.1)

    with pytest.raises(StorageError, match="is closing"):
        await receive(inbox, "wh_2")

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


async def test_a_time_of_receipt_may_be_a_datetime() -> None:
    inbox = new_inbox()
    raw = body()
    await inbox.receive(raw, headers(raw, at=1.7e9), datetime.fromtimestamp(1.7e9, tz=UTC))

    assert (await inbox.totals()).oldest_received_at == 1.7e9
    await inbox.aclose()


def test_one_inbox_works_on_one_event_loop_after_another(location: str) -> None:
    inbox = new_inbox(location, handler=hang)

    async def use(run: int) -> int:
        await asyncio.gather(
            *(receive(inbox, f"wh_{run}_{number}") for number in range(5)), *(inbox.totals() for _ in range(5))
        )
        return (await inbox.totals()).waiting

    assert [asyncio.run(use(run)) for run in range(3)] == [5, 10, 15]


async def test_a_deleted_file_is_a_failure_and_then_a_new_file(file: str) -> None:
    inbox = new_inbox(file)
    await receive(inbox)
    for name in Path(file).parent.glob("run.sqlite*"):
        name.unlink()

    with pytest.raises(StorageError, match="deleted or replaced"):
        await receive(inbox, "wh_2")
    await receive(inbox, "wh_2")

    assert (await new_inbox(file).totals()).waiting == 1
    await inbox.aclose()


FORKED = """
import asyncio, os, sys, time
from kaspi_delivery_async import ConfigurationError
from tests.webhooks.test_inbox_edges import new_inbox, receive

inbox = new_inbox(sys.argv[1])

async def main():
    await receive(inbox)
    child = os.fork()
    if not child:
        try:
            asyncio.run(receive(inbox, "wh_2"))
        except ConfigurationError as error:
            os._exit(7 if "fork" in str(error) else 8)
        os._exit(9)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    await receive(inbox, "wh_3")
    await inbox.aclose()
    sys.exit(status)

asyncio.run(main())
"""


def test_a_fork_of_a_process_with_an_open_store_says_so(location: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, location], cwd=root, timeout=60, check=False)
    assert done.returncode == 7


async def test_events_of_other_processes_reach_the_hub(location: str) -> None:
    hub = StatusHub()
    async with new_inbox(location, hub=hub), new_inbox(location) as other:
        with hub.listen("dlv_1") as queue:
            async with asyncio.timeout(30):
                number = 0
                while queue.empty():
                    number += 1
                    await receive(other, f"wh_{number}")
                    await asyncio.sleep(0.2)
            assert queue.get_nowait().status == "delivered"


class AsyncCallable:
    async def __call__(self, event: DeliveryWebhook) -> None: ...


def blocking(event: DeliveryWebhook) -> None: ...


@pytest.mark.parametrize(
    "handler", [hang, functools.partial(hang), AsyncCallable(), AsyncCallable().__call__, AsyncMock()]
)
def test_a_handler_is_anything_that_is_async(handler: Any) -> None:
    new_inbox(handler=handler)


@pytest.mark.parametrize(
    "settings",
    [
        {"handler": blocking},
        {"handler": functools.partial(blocking)},
        {"handler": "handle"},
        {"handler": AsyncCallable},
        {"store": None},
        {"store": 42},
        {"store": MemoryStore},
        {"store": b"events.sqlite"},
        {"verifier": "secret"},
        {"verifier": None},
        {"verifier": WebhookVerifier},
        {"hub": "hub"},
        {"handler_timeout": 0},
        {"handler_timeout": "30"},
        {"handler_timeout": float("nan")},
        {"concurrency": True},
    ],
)
def test_what_cannot_work_is_refused_when_the_inbox_is_made(settings: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"verifier": WebhookVerifier([SECRET]), "store": MemoryStore()} | settings
    with pytest.raises(ConfigurationError, match="WebhookInbox"):
        WebhookInbox(arguments.pop("verifier"), **arguments)


@pytest.mark.parametrize("name", ["missing/events.sqlite", "file/events.sqlite", "folder"])
async def test_a_store_that_cannot_be_is_refused_on_entering(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError):
        await new_inbox(tmp_path / name).__aenter__()


async def test_a_store_that_is_down_keeps_no_service_from_starting(caplog: pytest.LogCaptureFixture) -> None:
    async with new_inbox("postgresql://me@127.0.0.1:1/db"):
        pass

    assert "cannot be opened yet" in caplog.text


def test_type_hints_resolve() -> None:
    for method in (WebhookInbox.__init__, WebhookInbox.receive, WebhookInbox.aclose, WebhookInbox.replay):
        assert typing.get_type_hints(method)


async def test_a_store_in_memory_has_nothing_to_announce_of_other_processes() -> None:
    announced: list[object] = []
    await MemoryStore().follow(announced.append)
    assert announced == []


def test_ctrl_c_within_a_handler_ends_the_program() -> None:
    async def handle(event: DeliveryWebhook) -> None:
        raise KeyboardInterrupt

    async def serve() -> None:
        async with new_inbox(handler=handle) as inbox:
            await receive(inbox)
            await asyncio.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(serve())


async def test_a_close_that_is_cut_off_cancels_the_handlers_all_the_same() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(event: DeliveryWebhook) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    inbox = new_inbox(handler=handle)
    await receive(inbox)
    await begun.wait()
    closing = asyncio.create_task(inbox.aclose(grace=30.0))
    await asyncio.sleep(0.05)
    closing.cancel()
    async with asyncio.timeout(3):
        await ended.wait()
    await asyncio.wait([closing])
    await inbox.aclose(grace=0.0)
