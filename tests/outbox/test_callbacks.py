"""Callbacks: each result and each status once, in one transaction with the mark that it was reported."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kaspi_delivery_async import DeliveryClient, DeliveryStatus
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxEntry, OutboxState
from kaspi_delivery_async.outbox.relay import callbacks
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import event
from tests.support.orders import order
from tests.support.outbox_shop import ShiftedClock, Shop, book, follow, until, until_state


async def test_a_callback_that_raises_is_rolled_back_and_called_again_without_holding_others_up(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, clock: ShiftedClock
) -> None:
    failing = {"order-1"}
    calls: Counter[str] = Counter()

    async def fail(session: AsyncSession, entry: OutboxEntry) -> None:
        calls[entry.order_id] += 1
        await book(session, entry)
        if entry.order_id in failing:
            raise LookupError(entry.order_id)

    await shop.order(outbox, "order-1", "order-2")
    async with outbox.relay(client, on_result=fail):
        await until(lambda: _rows(shop, [("order-2",)]))
        await until(lambda: _is(lambda: calls["order-1"] == 1))
        clock.ahead += 1.5
        await until(lambda: _is(lambda: calls["order-1"] == 2))
        clock.ahead += 1.2  # twice as long each time
        await asyncio.sleep(0.2)
        assert calls["order-1"] == 2
        failing.clear()
        clock.ahead += 1
        await until(lambda: _rows(shop, [("order-1",), ("order-2",)]))

    assert calls == {"order-1": 3, "order-2": 1}


async def test_a_callback_that_waited_for_what_was_cancelled_is_called_again_later(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, clock: ShiftedClock
) -> None:
    calls: Counter[str] = Counter()

    async def wait_for_cancelled(session: AsyncSession, entry: OutboxEntry) -> None:
        calls[entry.order_id] += 1
        await book(session, entry)
        if calls["order-1"] == 1:
            cancelled = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled

    await shop.order(outbox, "order-1")
    async with outbox.relay(client, on_result=wait_for_cancelled):
        await until(lambda: _is(lambda: calls["order-1"] == 1))
        await asyncio.sleep(0.2)
        assert calls["order-1"] == 1
        clock.ahead += 1.5
        await until(lambda: _rows(shop, [("order-1",)]))

    assert calls["order-1"] == 2


async def test_a_callback_whose_relay_is_cancelled_is_no_failure(shop: Shop, outbox: DeliveryOutbox) -> None:
    (entry,) = await shop.order(outbox, "order-1")
    begun = asyncio.Event()

    async def hang(_session: AsyncSession, _entry: OutboxEntry) -> None:
        begun.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(callbacks._run(hang, AsyncSession(shop.engine), entry))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_a_callback_does_in_its_session_is_committed_with_the_mark_whatever_it_commits_itself(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    async def commit(session: AsyncSession, entry: OutboxEntry) -> None:
        await book(session, entry)
        await session.commit()
        await session.execute(text("INSERT INTO shop_orders VALUES ('after the commit')"))
        await session.rollback()

    await shop.order(outbox, "order-1")
    async with outbox.relay(client, on_result=commit):
        await until(lambda: _rows(shop, [("order-1",)]))
        await asyncio.sleep(0.1)

    assert await shop.rows("SELECT id FROM shop_orders") == [("order-1",)]


async def test_a_callback_may_enqueue_another_order_in_its_session(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    async def enqueue_next(session: AsyncSession, entry: OutboxEntry) -> None:
        if entry.order_id == "order-1":
            await outbox.enqueue(session, order("order-2"))

    await shop.order(outbox, "order-1")
    async with outbox.relay(client, on_result=enqueue_next):
        await until_state(outbox, "order-2", OutboxState.CREATED)


async def test_a_callback_that_takes_too_long_is_rolled_back_and_called_again(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, clock: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "LIMIT", 0.1)
    calls: list[str] = []
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"
    slow = "SELECT pg_sleep(1)" if shop.location.startswith("postgresql") else numbers

    async def hang(session: AsyncSession, entry: OutboxEntry) -> None:
        calls.append(entry.order_id)
        await book(session, entry)
        if len(calls) == 1:
            await session.execute(text(slow))

    await shop.order(outbox, "order-1")
    async with outbox.relay(client, on_result=hang):
        await until(lambda: _is(lambda: len(calls) == 1))
        await asyncio.sleep(1)
        clock.ahead += 2
        await until(lambda: _rows(shop, [("order-1",)]))

    assert calls == ["order-1", "order-1"]


async def test_a_relay_without_callbacks_leaves_them_to_a_later_one(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    await shop.order(outbox, "order-1")
    async with outbox.relay(client):
        await until_state(outbox, "order-1", OutboxState.CREATED)
    async with outbox.relay(client, on_status=follow):
        await until(lambda: _statuses(shop, ["created"]))
        assert await shop.rows("SELECT * FROM shop_results") == []
    async with outbox.relay(client, on_result=book, on_status=follow):
        await until(lambda: _rows(shop, [("order-1",)]))


async def test_each_status_is_reported_once_and_in_order_after_the_result(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    reported: list[str] = []

    async def on_result(session: AsyncSession, entry: OutboxEntry) -> None:
        reported.append(entry.state)
        await book(session, entry)

    async def on_status(session: AsyncSession, entry: OutboxEntry) -> None:
        reported.append(f"status {entry.status}")
        await follow(session, entry)
        if reported.count(f"status {entry.status}") == 1 and entry.status == DeliveryStatus.IN_TRANSIT:
            raise LookupError

    await shop.order(outbox, "order-1")
    async with outbox.relay(client, on_result, on_status):
        entry = await until_state(outbox, "order-1", OutboxState.CREATED)
        await until(lambda: _statuses(shop, ["created"]))
        await sandbox.advance(entry.delivery_id or "", DeliveryStatus.IN_TRANSIT)
        clock.ahead += 3  # until it is read
        await until(lambda: _is(lambda: "status in_transit" in reported))
        clock.ahead += 2  # until it is called again
        await until(lambda: _statuses(shop, ["accepted", "created", "in_transit"]))

    assert reported == ["created", "status created", "status accepted", "status in_transit", "status in_transit"]


async def test_an_order_that_is_confirmed_out_of_doubt_is_reported(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    await shop.order(outbox, "order-1")
    await shop.execute("UPDATE kaspi_delivery_outbox_entries SET state = 'in_doubt', first_sent_at = 1")
    async with outbox.relay(client, on_result=book):
        await outbox.observe(event("order-1"))
        await until(lambda: _rows(shop, [("order-1",)]))

    assert await shop.rows("SELECT state, delivery FROM shop_results") == [("created", "dlv_9")]


async def test_leaving_a_relay_lets_callbacks_end_that_run_and_leaves_the_others(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    running = asyncio.Event()

    async def slow(session: AsyncSession, entry: OutboxEntry) -> None:
        running.set()
        await asyncio.sleep(0.2)
        await book(session, entry)

    orders = [f"order-{number}" for number in range(6)]
    await shop.order(outbox, *orders)
    async with outbox.relay(client):
        for order_id in orders:
            await until_state(outbox, order_id, OutboxState.CREATED)
    async with outbox.relay(client, slow):
        await running.wait()
    booked = len(await shop.rows("SELECT id FROM shop_results"))
    assert 1 <= booked <= callbacks.CONCURRENCY


async def test_two_relays_report_each_result_once(shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient) -> None:
    calls: Counter[str] = Counter()

    async def count(session: AsyncSession, entry: OutboxEntry) -> None:
        await asyncio.sleep(0.01)
        await book(session, entry)
        calls[entry.order_id] += 1

    orders = [f"order-{number}" for number in range(8)]
    await shop.order(outbox, *orders)
    async with outbox.relay(client), DeliveryOutbox(shop.location) as other:
        for order_id in orders:
            await until_state(outbox, order_id, OutboxState.CREATED)
        async with outbox.relay(client, count), other.relay(client, count):
            await until(lambda: _rows(shop, [(order_id,) for order_id in orders]))
            await asyncio.sleep(0.1)

    assert calls == dict.fromkeys(orders, 1)


async def _rows(shop: Shop, expected: list[tuple[str, ...]]) -> bool:
    return sorted(await shop.rows("SELECT id FROM shop_results")) == sorted(expected)


async def _statuses(shop: Shop, expected: list[str]) -> bool:
    return sorted(await shop.rows("SELECT status FROM shop_statuses")) == [(status,) for status in expected]


async def _is(condition: Callable[[], bool]) -> bool:
    return condition()
