"""A relay outlives failures of its database, and never takes a lost response for a failure or a failure for none."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from kaspi_delivery_async import DeliveryClient, StorageError
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxEntry, OutboxState
from kaspi_delivery_async.outbox.relay import callbacks, pauses, polling, relay, sending
from kaspi_delivery_async.outbox.storage.database import OutboxDatabase
from kaspi_delivery_async.outbox.storage.shared_file import SharedSqliteFile
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.outbox_shop import ShiftedClock, Shop, book, until, until_state


class Outage:
    """Makes transactions fail, by the names of what they run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before: Counter[str] = Counter()
        """How many transactions fail before anything is done."""
        self.after: Counter[str] = Counter()
        """How many fail after they were committed."""
        self.seen: Counter[str] = Counter()
        for method in ("read", "write"):
            monkeypatch.setattr(OutboxDatabase, method, self._failing(getattr(OutboxDatabase, method)))
        for module in (callbacks, polling, relay, sending):
            monkeypatch.setattr(module, "RETRY", 0.01)

    def _failing(self, run: Callable[..., Any]) -> Callable[..., Any]:
        async def failing(database: OutboxDatabase, work: Any) -> Any:
            name = getattr(work, "func", work).__qualname__
            self.seen[name] += 1
            self._fail(self.before, name)
            result = await run(database, work)
            self._fail(self.after, name)
            return result

        return failing

    def _fail(self, left: Counter[str], name: str) -> None:
        if left[name] > 0:
            left[name] -= 1
            raise StorageError("it is down")


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)


@pytest.mark.parametrize(
    "name",
    ["Claims.claim.<locals>.work", "Changes._change", "Relay._next_due", "Callbacks._due", "Polling._claim"],
)
async def test_a_transaction_that_fails_is_tried_again(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, outage: Outage, name: str
) -> None:
    outage.before[name] = 2
    async with outbox.relay(client, book):
        await shop.order(outbox, "order-1")
        await until_state(outbox, "order-1", OutboxState.CREATED)
        await until(lambda: _booked(shop))
        await until(lambda: _later(lambda: outage.before[name] == 0))

    assert len(sandbox.deliveries) == 1


async def test_what_was_claimed_by_a_transaction_that_seemed_to_fail_is_sent(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, outage: Outage
) -> None:
    outage.after["Claims.claim.<locals>.work"] = 1
    await shop.order(outbox, "order-1", "order-2")
    async with outbox.relay(client):
        await until_state(outbox, "order-1", OutboxState.CREATED)
        await until_state(outbox, "order-2", OutboxState.CREATED)

    assert len(sandbox.deliveries) == 2


async def test_a_result_that_cannot_be_written_down_leaves_the_order_sent(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, outage: Outage
) -> None:
    outage.before["Changes._change"] = 10_000
    await shop.order(outbox, "order-1")
    async with outbox.relay(client):
        await until(lambda: _later(lambda: len(sandbox.deliveries) == 1))
        await until(lambda: _later(lambda: outage.seen["Changes._change"] > 1))
    outage.before.clear()
    entry = await outbox.find("order-1")
    assert entry is not None
    assert entry.state is OutboxState.SENT
    async with outbox.relay(client):
        await until_state(outbox, "order-1", OutboxState.CREATED)

    assert len(sandbox.deliveries) == 1


async def test_a_pause_that_cannot_be_written_down_is_made_all_the_same(
    shop: Shop,
    outbox: DeliveryOutbox,
    client: DeliveryClient,
    sandbox: Sandbox,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outage.before["Pauses._note"] = 1
    sandbox.faults.add("create:status:count=1:status=401")
    monkeypatch.setattr(pauses, "retry_delay", lambda _failures: 0.05)
    monkeypatch.setattr(pauses, "SHOWN", 0.0)
    await shop.order(outbox, "order-1")
    async with outbox.relay(client):
        await until_state(outbox, "order-1", OutboxState.CREATED)

    assert outage.seen["Pauses._note"] >= 1


async def test_a_status_that_cannot_be_written_down_is_read_again(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, outage: Outage, clock: ShiftedClock
) -> None:
    await shop.order(outbox, "order-1")
    async with outbox.relay(client):
        entry = await until_state(outbox, "order-1", OutboxState.CREATED)
        await sandbox.advance(entry.delivery_id or "", "delivered")
        outage.before["Changes._change"] = 1
        clock.ahead += 3
        await until(lambda: _later(lambda: outage.before["Changes._change"] == 0))
        clock.ahead += 130
        await until(lambda: _delivered(outbox))


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_callback_takes_effect_once_whether_or_not_a_commit_that_seemed_to_fail_did(
    shop: Shop,
    outbox: DeliveryOutbox,
    client: DeliveryClient,
    outage: Outage,
    clock: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_committed: bool,
) -> None:
    transaction, failures = OutboxDatabase.transaction, [StorageError("the connection was lost")]

    @asynccontextmanager
    async def failing(database: OutboxDatabase, *, limit: float) -> AsyncGenerator[AsyncConnection]:
        async with transaction(database, limit=limit) as connection:
            yield connection
            if failures and not is_committed:
                outage.before["Changes._change"] = 1  # nor can the failure be written down
                raise failures.pop()
        if failures:
            raise failures.pop()

    monkeypatch.setattr(OutboxDatabase, "transaction", failing)
    calls: list[OutboxEntry] = []

    async def count(session: AsyncSession, entry: OutboxEntry) -> None:
        calls.append(entry)
        await book(session, entry)

    await shop.order(outbox, "order-1")
    async with outbox.relay(client, count):
        await until(lambda: _later(lambda: not failures))
        clock.ahead += 2
        await until(lambda: _booked(shop))
        await asyncio.sleep(0.1)

    assert len(calls) == (1 if is_committed else 2)


async def test_a_file_that_cannot_be_watched_is_watched_again(
    file: str, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, failures = SharedSqliteFile.watch, [OSError()]

    @asynccontextmanager
    async def failing(shared: SharedSqliteFile) -> AsyncGenerator[Callable[[], Any]]:
        if failures:
            raise failures.pop()
        async with watch(shared) as data_version:
            yield data_version

    monkeypatch.setattr(SharedSqliteFile, "watch", failing)
    async with DeliveryOutbox(file) as outbox, outbox.relay(client):
        await until(lambda: _later(lambda: not failures))


async def _booked(shop: Shop) -> bool:
    return len(await shop.rows("SELECT id FROM shop_results")) == 1


async def _delivered(outbox: DeliveryOutbox) -> bool:
    entry = await outbox.find("order-1")
    return entry is not None and entry.status == "delivered"


async def _later(condition: Callable[[], bool]) -> bool:
    return condition()
