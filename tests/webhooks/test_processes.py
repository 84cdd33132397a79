"""Several processes share one store: none loses an event to another's death, and news cross over on PostgreSQL."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from kaspi_delivery_async import DeliveryWebhook, StatusHub
from kaspi_delivery_async._database import listening
from kaspi_delivery_async._database.postgresql import connect
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.stores import postgresql_notify
from kaspi_delivery_async.webhooks.stores.postgresql_notify import CHANNEL, LONGEST_PAYLOAD, payload
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from kaspi_delivery_async.webhooks.verifier import read_event
from kaspi_delivery_async.webhooks.worker import LEASE
from tests.support.postgresql import execute
from tests.support.webhook_messages import SECRET, body, headers
from tests.support.webhook_stores import let_pass

pytestmark = pytest.mark.processes

VICTIM = Path(__file__).parents[1] / "support" / "hanging_receiver.py"


async def receive(inbox: WebhookInbox, **fields: Any) -> None:
    raw = body(**fields)
    await inbox.receive(raw, headers(raw, at=time.time()))


def inbox_at(location: str, **settings: Any) -> WebhookInbox:
    return WebhookInbox(WebhookVerifier([SECRET]), store=location, **settings)


async def listeners(url: str) -> int:
    """Count who listens for events."""
    connection = await connect(url)
    try:
        return await connection.fetchval(  # type: ignore[no-any-return]
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
    finally:
        await connection.close()


async def until_listened_to(url: str) -> None:
    async with asyncio.timeout(30):
        while not await listeners(url):
            await asyncio.sleep(0.02)


async def until_logged(text: str, caplog: pytest.LogCaptureFixture, *, times: int = 1) -> None:
    async with asyncio.timeout(30):
        while caplog.text.count(text) < times:
            await asyncio.sleep(0.01)


async def test_a_killed_workers_events_are_handled_by_the_next(location: str) -> None:
    handled: asyncio.Queue[str] = asyncio.Queue()

    async def handle(event: DeliveryWebhook) -> None:
        handled.put_nowait(event.event_id)

    receiver = inbox_at(location)
    for number in range(3):
        await receive(receiver, event_id=f"wh_{number}")
    victim = await asyncio.create_subprocess_exec(sys.executable, VICTIM, location, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    taken = {(await victim.stdout.readline()).decode().strip() for _ in range(3)}
    victim.kill()
    await victim.wait()

    store = SqlStore(location)
    too_early = await store.lease(worker="w", seconds=0.0, limit=9)
    await let_pass(store, LEASE)
    await store.close()
    async with asyncio.timeout(30), inbox_at(location, handler=handle):
        again = {await handled.get() for _ in range(3)}

    assert too_early == []
    assert taken == again == {"wh_0", "wh_1", "wh_2"}
    await receiver.aclose()


async def test_an_event_that_another_process_stored_is_received(postgresql_url: str) -> None:
    hub = StatusHub()
    async with inbox_at(postgresql_url, hub=hub) as listening, inbox_at(postgresql_url) as receiving:
        await until_listened_to(postgresql_url)
        with hub.listen("dlv_☃") as queue:
            await receive(receiving, delivery_id="dlv_☃", status="accepted")
            async with asyncio.timeout(30):
                change = await queue.get()
        await listening.aclose()

    assert (change.status, str(change.timestamp)) == ("accepted", "2024-06-11 08:10:54+00:00")


async def test_listening_survives_strange_notifications_and_lost_connections(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(postgresql_notify, "RECONNECTION", 0.01)
    hub = StatusHub()
    async with inbox_at(postgresql_url, hub=hub), inbox_at(postgresql_url) as receiving:
        await until_listened_to(postgresql_url)
        other = await connect(postgresql_url)
        await other.execute(f"NOTIFY {CHANNEL}, 'something else'")
        await until_logged("is none of ours", caplog)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
        await other.close()
        await until_logged("listening again", caplog)
        await until_listened_to(postgresql_url)
        with hub.listen("dlv_1") as queue:
            await receive(receiving)
            async with asyncio.timeout(30):
                assert (await queue.get()).status == "delivered"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_hub_is_complete_while_postgresql_is_listened_to(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_notify, "RECONNECTION", 0.01)
    hub = StatusHub()
    async with inbox_at(postgresql_url, hub=hub):
        await until(lambda: hub.complete)
        before_the_cut = asyncio.get_running_loop().time()
        assert hub.is_complete_since(before_the_cut)
        execute(
            postgresql_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND datname = current_database()",
        )
        await until(lambda: not hub.is_complete_since(before_the_cut))
        await until(lambda: hub.complete)

    assert not hub.complete


async def test_a_hub_that_was_said_to_miss_events_stays_so(postgresql_url: str) -> None:
    hub, other = StatusHub(complete=False), StatusHub()
    async with inbox_at(postgresql_url, hub=hub):
        await until_listened_to(postgresql_url)
        async with inbox_at(postgresql_url, hub=other):
            await until(lambda: other.complete)
        assert not hub.complete


async def test_an_event_too_long_to_announce_is_found_at_the_next_check(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "CHECK", 0.05)
    hub, delivery_id = StatusHub(), "d" * LONGEST_PAYLOAD
    async with inbox_at(postgresql_url, hub=hub), inbox_at(postgresql_url) as receiving:
        await until(lambda: hub.complete)
        with hub.listen(delivery_id) as queue:
            await receive(receiving, delivery_id=delivery_id)
            async with asyncio.timeout(30):
                assert (await queue.get()).status == "delivered"


async def test_a_server_that_cannot_be_reached_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(postgresql_notify, "RECONNECTION", 0.01)
    following = asyncio.create_task(SqlStore("postgresql://me:hunter2@127.0.0.1:1/db").follow(lambda _: None))
    await until_logged("cannot be listened to", caplog, times=3)
    following.cancel()
    await asyncio.wait([following])

    assert following.cancelled()
    assert "hunter2" not in caplog.text


async def test_events_too_long_to_announce_are_stored_all_the_same(postgresql_url: str) -> None:
    inbox = inbox_at(postgresql_url)
    await receive(inbox, event_id="long", delivery_id="d" * 20_000)
    await receive(inbox, event_id="odd \0 id", delivery_id="nul \0")

    assert (await inbox.totals()).waiting == 2
    await inbox.aclose()


@pytest.mark.parametrize(("spare", "announced"), [(0, True), (-1, False)])
def test_what_is_announced_is_as_long_as_postgresql_takes(spare: int, announced: bool) -> None:
    event = read_event(body(delivery_id="d"))
    shortest = payload(event)
    assert shortest is not None
    data = attrs.evolve(event.data, delivery_id="d" * (LONGEST_PAYLOAD - len(shortest) + 1 - spare))

    notified = payload(attrs.evolve(event, data=data))

    assert (notified is not None) == announced


def test_nothing_personal_is_announced() -> None:
    notified = payload(read_event(body()))
    assert notified is not None
    assert "order-742" not in notified
    assert payload(None) is None
