"""A store's connections as they come and go: loops that end, forks, poolers, followers, cancelled closing."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kaspi_delivery_async import ConfigurationError, DeliveryWebhook, StatusHub, StorageError, WebhookVerificationError
from kaspi_delivery_async._database import listening
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.stores import new_events
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from tests.support.faulty_proxy import FaultyProxy
from tests.support.inboxes import Handler, new_inbox, receive
from tests.support.webhook_messages import NOW, SECRET, body, headers


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_store_outlives_a_loop_that_was_closed_without_care(location: str) -> None:
    store = SqlStore(location)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(store.open())
    loop.close()

    async def use() -> int:
        waiting = (await store.totals()).waiting
        await store.close()
        return waiting

    assert asyncio.run(use()) == 0
    gc.collect()  # the socket goes here, and not with a warning in another test


async def test_a_store_may_be_opened_after_a_fork_but_not_before(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, unopened = SqlStore(location), SqlStore(location)
    await opened.open()
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ConfigurationError, match="forked"):
            await opened.totals()
        await opened.close()
        assert (await unopened.totals()).waiting == 0
        await unopened.close()
    assert (await opened.totals()).waiting == 0
    await opened.close()


async def test_an_inbox_opens_the_store_at_a_location(verifier: WebhookVerifier, location: str) -> None:
    inbox = WebhookInbox(verifier, store=location, clock=lambda: NOW)
    raw = body()

    await inbox.receive(raw, headers(raw))
    await inbox.aclose()

    assert (await inbox.totals()).waiting == 1
    await inbox.aclose()


def test_one_inbox_works_on_one_event_loop_after_another(location: str) -> None:
    inbox = new_inbox(location, handler=Handler(seconds=3600.0))

    async def use(run: int) -> int:
        await asyncio.gather(
            *(receive(inbox, f"wh_{run}_{number}") for number in range(5)), *(inbox.totals() for _ in range(5))
        )
        return (await inbox.totals()).waiting

    assert [asyncio.run(use(run)) for run in range(3)] == [5, 10, 15]


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
from tests.support.inboxes import Handler, new_inbox, receive

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


async def next_event_of(hub: StatusHub, *, inbox: WebhookInbox, event_id: str = "last") -> str:
    """Return the status that reaches the hub of one inbox after another one received it."""
    with hub.listen("last") as queue:
        await receive(inbox, event_id, delivery_id="last")
        async with asyncio.timeout(20):
            event = await queue.get()
    assert event is not None
    return str(event.status)


async def test_a_hub_of_an_inbox_in_memory_learns_of_its_events() -> None:
    hub = StatusHub()
    async with new_inbox(MemoryStore(), hub=hub) as inbox:
        await asyncio.sleep(0.01)
        assert await next_event_of(hub, inbox=inbox) == "delivered"


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_events.NewEvents.poll, "__defaults__", (0.02,))
    monkeypatch.setattr(listening, "CHECK", 0.02)


@pytest.mark.usefixtures("looks_often")
async def test_a_hub_learns_of_many_events_and_what_follows_an_unreadable_one(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_events, "PAGE", 2)
    hub = StatusHub()
    async with new_inbox(location, hub=hub), new_inbox(location) as other:
        await asyncio.sleep(0.3)
        with pytest.raises(WebhookVerificationError):
            await other.receive(b"{}", headers(b"{}", at=time.time()))
        await asyncio.gather(*(receive(other, f"wh_{number}") for number in range(9)))
        assert await next_event_of(hub, inbox=other) == "delivered"
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("looks_often")
async def test_a_hub_learns_of_the_events_in_a_file_that_replaced_another(
    file: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = StatusHub()
    async with new_inbox(file, hub=hub), new_inbox(file) as other:
        for number in range(5):
            await receive(other, f"wh_{number}")
        await asyncio.sleep(0.1)
        for name in Path(file).parent.glob("run.sqlite*"):
            name.unlink()
        while "trying again" not in caplog.text:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        async with new_inbox(file) as third:
            assert await next_event_of(hub, inbox=third) == "delivered"
        with contextlib.suppress(Exception):
            await other.totals()


KEY_DATA = b"K\x00\x00\x00\x0c"
"""What comes before the process id in PostgreSQL's greeting."""


def made_up_process_id(data: bytes) -> bytes:
    """Greet as poolers do."""
    before, mark, after = data.partition(KEY_DATA)
    return before + mark + b"\x7f\x00\x00\x01" + after[4:] if mark else data


@pytest.mark.usefixtures("looks_often")
@pytest.mark.parametrize("setting", ["pgbouncer=true", "statement_cache_size=10"])
async def test_a_hub_behind_a_pooler_learns_of_events_and_is_not_said_to_learn_of_all(
    postgresql_url: str, setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub = StatusHub()
    async with FaultyProxy(urlsplit(postgresql_url).port or 5432, change=made_up_process_id) as pooler:
        url = f"{pooler.url(postgresql_url)}?{setting}"
        async with new_inbox(url, hub=hub), new_inbox(url) as other:
            while "hides notifications" not in caplog.text:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert await next_event_of(hub, inbox=other) == "delivered"
            assert not hub.complete
