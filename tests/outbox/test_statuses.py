"""Statuses: by events, by polling where none come, and never back."""

import asyncio
from datetime import timedelta
from typing import Any

import attrs
import pytest
from sqlalchemy import Connection

from kaspi_delivery_async import DeliveryClient, DeliveryStatus, DeliveryWebhook, NotFoundError
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState
from kaspi_delivery_async.outbox.relay.changes import Changes
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from tests.support.bulk_runs import event
from tests.support.orders import order
from tests.support.outbox_shop import ShiftedClock, Shop, until, until_state
from tests.support.webhook_messages import NOW, SECRET, body, headers

HOUR = 3600.0


def event_at(status: str, *, delivery_id: str, order_id: str | None = None) -> DeliveryWebhook:
    plain = event(order_id, delivery_id=delivery_id)
    return attrs.evolve(plain, data=attrs.evolve(plain.data, status=DeliveryStatus(status)))


async def created(shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, order_id: str = "order-1") -> str:
    await shop.order(outbox, order_id)
    async with outbox.relay(client):
        entry = await until_state(outbox, order_id, OutboxState.CREATED)
    return entry.delivery_id or ""


async def status_of(outbox: DeliveryOutbox, order_id: str = "order-1") -> str | None:
    entry = await outbox.find(order_id)
    return entry.status if entry else None


async def test_events_move_a_delivery_on_and_late_ones_change_nothing(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    delivery_id = await created(shop, outbox, client)
    for status, expected in (
        ("in_transit", "in_transit"),
        ("accepted", "in_transit"),
        ("in_transit", "in_transit"),
        ("returning_soon", "returning_soon"),
        ("delivered", "delivered"),
        ("out_for_delivery", "delivered"),
        ("returning_soon", "delivered"),
    ):
        await outbox.observe(event_at(status, delivery_id=delivery_id))
        assert await status_of(outbox) == expected


async def test_events_of_other_orders_and_deliveries_change_nothing(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient
) -> None:
    await created(shop, outbox, client)
    before = await outbox.find("order-1")
    await outbox.observe(event_at("delivered", delivery_id="dlv_other"))
    await outbox.observe(event_at("delivered", delivery_id="dlv_other", order_id="order-1"))
    await outbox.observe(event_at("delivered", delivery_id="dlv_other", order_id="order-2"))

    assert await outbox.find("order-1") == before


@pytest.mark.parametrize("state", ["pending", "sent", "in_doubt"])
async def test_an_event_that_names_an_order_without_a_result_confirms_it(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, state: str
) -> None:
    await shop.order(outbox, "order-1")
    await shop.execute(f"UPDATE kaspi_delivery_outbox_entries SET state = '{state}', error = 'lost'")
    await outbox.observe(event_at("accepted", delivery_id="dlv_1", order_id=" order-1"))
    async with outbox.relay(client):
        await asyncio.sleep(0.1)

    entry = await outbox.find("order-1")
    assert entry is not None
    assert (entry.state, entry.delivery_id, entry.status, entry.error) == ("created", "dlv_1", "accepted", None)
    assert not [request for request in sandbox.requests if request.method == "POST"]


async def test_an_event_while_the_call_is_in_flight_gives_the_same_result(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox
) -> None:
    sandbox.faults.add("create:latency:seconds=0.3")
    await shop.order(outbox, "order-1")
    async with outbox.relay(client):
        await until_state(outbox, "order-1", OutboxState.SENT)
        await outbox.observe(event_at("accepted", delivery_id="dlv_1", order_id="order-1"))
        await until(lambda: _has_tracking_url(outbox))

    entry = await outbox.find("order-1")
    assert entry is not None
    assert (entry.delivery_id, entry.status) == ("dlv_1", "accepted")


async def test_a_withdrawn_order_is_not_confirmed(shop: Shop, outbox: DeliveryOutbox) -> None:
    await shop.order(outbox, "order-1")
    async with shop.transaction() as session:
        await outbox.withdraw(session, "order-1")
    await outbox.observe(event("order-1"))

    entry = await outbox.find("order-1")
    assert entry is not None
    assert entry.state is OutboxState.WITHDRAWN


async def test_an_inbox_passes_its_events_on(shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient) -> None:
    delivery_id = await created(shop, outbox, client)
    raw = body(delivery_id=delivery_id)
    inbox = WebhookInbox(WebhookVerifier([SECRET]), store=MemoryStore(), handler=outbox.observe, clock=lambda: NOW)
    async with inbox:
        await inbox.receive(raw, headers(raw))
        await until(lambda: _is_at(outbox, "delivered"))


async def test_a_delivery_of_which_no_event_comes_is_read_until_it_ends(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    delivery_id = await created(shop, outbox, client)
    async with outbox.relay(client):
        clock.ahead += 3
        await until(lambda: _reads(sandbox, 1))
        await sandbox.advance(delivery_id, "delivered")
        clock.ahead += 40
        await until(lambda: _is_at(outbox, "delivered"))
        reads = len([request for request in sandbox.requests if request.method == "GET"])
        clock.ahead += 2 * HOUR
        await asyncio.sleep(0.1)

    assert len([request for request in sandbox.requests if request.method == "GET"]) == reads


async def test_while_events_come_a_delivery_is_read_once_an_hour(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    await created(shop, outbox, client)
    await outbox.observe(event_at("accepted", delivery_id="dlv_other"))
    async with outbox.relay(client):
        reads = len([request for request in sandbox.requests if request.method == "GET"])
        clock.ahead += 20
        await outbox.observe(event_at("accepted", delivery_id="dlv_other"))
        clock.ahead += 20
        await asyncio.sleep(0.1)
        assert len([request for request in sandbox.requests if request.method == "GET"]) == reads
        clock.ahead += HOUR
        await outbox.observe(event_at("accepted", delivery_id="dlv_other"))
        await until(lambda: _reads(sandbox, reads + 1))


async def test_a_delivery_that_cannot_be_read_is_read_again_later(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    delivery_id = await created(shop, outbox, client)
    sandbox.faults.add("get:status:count=1:status=404")
    sandbox.faults.add("get:status:count=1:status=503")
    await sandbox.advance(delivery_id, "delivered")
    async with outbox.relay(client):
        clock.ahead += 3
        await until(lambda: _polls(shop, 1))
        clock.ahead += 200
        await asyncio.sleep(0.1)
        assert await status_of(outbox) == "created"
        clock.ahead += 200
        await until(lambda: _polls(shop, 2))
        clock.ahead += 40
        await until(lambda: _is_at(outbox, "delivered"))


async def test_a_relay_that_is_paused_reads_no_delivery(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    delivery_id = await created(shop, outbox, client)
    await sandbox.advance(delivery_id, "delivered")
    sandbox.faults.add("create:status:count=1:status=429:retry_after=1")
    await shop.order(outbox, "order-2")
    async with outbox.relay(client):
        await until(lambda: _is_paused(outbox))
        clock.ahead += 3
        await asyncio.sleep(0.2)
        assert await status_of(outbox) == "created"
        await until(lambda: _is_at(outbox, "delivered"))


async def test_leaving_a_relay_ends_a_read_at_once(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    await created(shop, outbox, client)
    sandbox.faults.add("get:stall")
    async with asyncio.timeout(5):
        async with outbox.relay(client):
            clock.ahead += 3
            await until(lambda: _reads(sandbox, 1))


async def test_what_is_in_doubt_or_silent_is_asked_of_the_api_or_listed(
    shop: Shop,
    outbox: DeliveryOutbox,
    client: DeliveryClient,
    sandbox: Sandbox,
    clock: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = [f"order-{number}" for number in range(6)]
    deliveries = {}
    for order_id in orders[:3]:
        deliveries[order_id] = await created(shop, outbox, client, order_id)
    await shop.order(outbox, *orders[3:])
    await sandbox.advance(deliveries["order-0"], "delivered")
    for order_id, changes in {
        "order-1": f"state = 'in_doubt', status = NULL, delivery_id = '{deliveries['order-1']}'",
        "order-2": "delivery_id = 'dlv_unknown'",
        "order-3": f"state = 'in_doubt', first_sent_at = {clock() - 30 * HOUR}",
        "order-4": f"state = 'sent', first_sent_at = {clock() - HOUR}",
    }.items():
        await shop.execute(f"UPDATE kaspi_delivery_outbox_entries SET {changes} WHERE order_id = '{order_id}'")
    await shop.execute("DELETE FROM kaspi_delivery_outbox_statuses WHERE entry = 2")
    clock.ahead += 2 * HOUR
    monkeypatch.setattr("kaspi_delivery_async.outbox.reconciling.PAGE", 2)
    report = await outbox.reconcile(client)

    assert (report.asked, report.confirmed, report.changed) == (3, 1, 2)
    assert [item.entry.order_id for item in report.open] == ["order-3", "order-4", "order-2"]
    doubtful, sent, unknown = report.open
    assert "The API has no look-up by order id" in doubtful.look_up
    assert 32 * HOUR <= doubtful.age < 33 * HOUR
    assert "a relay sends it again under the same key until" in sent.look_up
    assert "does not know the delivery dlv_unknown" in unknown.look_up
    assert report.status.counts[OutboxState.CREATED] == 3
    assert [await status_of(outbox, order_id) for order_id in orders[:2]] == ["delivered", "created"]
    again = await outbox.reconcile(client)
    assert (again.asked, again.changed, len(again.open)) == (1, 0, 3)


async def test_a_change_whose_transaction_is_tried_again_is_counted_once(
    shop: Shop,
    outbox: DeliveryOutbox,
    client: DeliveryClient,
    sandbox: Sandbox,
    clock: ShiftedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = Changes._change

    def twice(changes: Changes, connection: Connection, *, decisions: Any) -> None:
        savepoint = connection.begin_nested()
        change(changes, connection, decisions=decisions)
        savepoint.rollback()
        change(changes, connection, decisions=decisions)

    delivery_id = await created(shop, outbox, client)
    await sandbox.advance(delivery_id, "accepted")
    clock.ahead += 2 * HOUR
    monkeypatch.setattr(Changes, "_change", twice)
    assert (await outbox.reconcile(client)).changed == 1


async def test_an_error_that_concerns_every_delivery_ends_a_reconciliation(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    await created(shop, outbox, client)
    sandbox.api_key = "another-key"
    clock.ahead += 2 * HOUR
    with pytest.raises(Exception, match="401") as caught:
        await outbox.reconcile(client)
    assert not isinstance(caught.value, NotFoundError)


async def test_pruning_erases_what_holds_people_and_keeps_what_identifies_the_order(
    shop: Shop, outbox: DeliveryOutbox, client: DeliveryClient, sandbox: Sandbox, clock: ShiftedClock
) -> None:
    sandbox.faults.add("create:status:order=order-2:status=400")
    delivery_id = await created(shop, outbox, client)
    await shop.order(outbox, "order-2")
    async with outbox.relay(client):
        await until_state(outbox, "order-2", OutboxState.REJECTED)
    await shop.order(outbox, "order-3")
    before = await outbox.find("order-1")
    assert await outbox.prune(timedelta(days=30)) == 0
    clock.ahead += 31 * 24 * HOUR
    assert await outbox.prune(timedelta(days=30)) == 2
    assert await outbox.prune(0) == 0

    assert before is not None
    kept = await outbox.find("order-1")
    assert kept is not None
    assert (kept.order_id, kept.state, kept.idempotency_key, kept.delivery_id) == (
        "order-1", "created", "order-1", delivery_id,
    )  # fmt: skip
    assert (kept.tracking_url, kept.error) == (None, None)
    bodies = await shop.rows("SELECT body, error FROM kaspi_delivery_outbox_entries ORDER BY number")
    assert [body is None for body, _ in bodies] == [True, True, False]
    assert [error for _, error in bodies] == [None, None, None]
    async with shop.transaction() as session:
        assert (await outbox.enqueue(session, order("order-1"))).delivery_id == delivery_id
    async with outbox.relay(client):
        await until_state(outbox, "order-3", OutboxState.CREATED)
    assert len([record for record in sandbox.deliveries.values() if record.external_order_id == "order-1"]) == 1


async def _is_paused(outbox: DeliveryOutbox) -> bool:
    return bool((await outbox.status()).pauses)


async def _has_tracking_url(outbox: DeliveryOutbox) -> bool:
    entry = await outbox.find("order-1")
    return entry is not None and entry.tracking_url is not None


async def _is_at(outbox: DeliveryOutbox, status: str) -> bool:
    return await status_of(outbox) == status


async def _reads(sandbox: Sandbox, count: int) -> bool:
    return len([request for request in sandbox.requests if request.method == "GET"]) >= count


async def _polls(shop: Shop, count: int) -> bool:
    return await shop.rows("SELECT polls FROM kaspi_delivery_outbox_entries") == [(count,)]
