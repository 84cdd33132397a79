"""Runs over orders, and what came of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Callable, Iterable

from kaspi_delivery_async import DeliveryClient, DeliveryRequest, DeliveryWebhook, DeliveryWebhookData
from kaspi_delivery_async.bulk import Journal, JournalEntry, Line, Result, create_deliveries
from kaspi_delivery_async.models import DeliveryStatus, WebhookEventType
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.orders import order


def orders(count: int, *, start: int = 0) -> list[DeliveryRequest]:
    return [order(f"order-{number}") for number in range(start, start + count)]


async def run(
    client: DeliveryClient,
    source: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
    journal: Journal,
    *,
    concurrency: int = 64,
) -> list[Result]:
    return [result async for result in create_deliveries(client, source, journal=journal, concurrency=concurrency)]


def states(results: Iterable[Result]) -> dict[str, int]:
    return dict(Counter(result.state.value for result in results))


async def entries(journal: Journal) -> dict[str, JournalEntry]:
    return {entry.order_id: entry async for entry in journal.entries()}


async def counts(journal: Journal) -> dict[str, int]:
    return {state.value: count for state, count in (await journal.totals()).orders.items() if count}


def made(sandbox: Sandbox) -> dict[str, int]:
    """How many deliveries each order has."""
    return dict(Counter(record.external_order_id for record in sandbox.deliveries.values()))


def once(count: int) -> dict[str, int]:
    return {f"order-{number}": 1 for number in range(count)}


def event(order_id: str | None, *, delivery_id: str = "dlv_9") -> DeliveryWebhook:
    return DeliveryWebhook(
        event_id="wh_1",
        type=WebhookEventType.DELIVERY_CREATED,
        data=DeliveryWebhookData(delivery_id=delivery_id, status=DeliveryStatus.CREATED, external_order_id=order_id),
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens on the other side of a socket."""
    while not condition():
        await asyncio.sleep(0.001)
