"""Two workers of one service share the inbox's store; each has a hub of its own, and gets a part of the events."""

import asyncio
import random
import time

import pytest

from kaspi_delivery_async import Delivery, DeliveryStatus, StatusHub, WebhookVerifier
from kaspi_delivery_async._tracking import follower
from kaspi_delivery_async.tracking import wait_for_status
from kaspi_delivery_async.webhooks import WebhookInbox
from kaspi_delivery_async.webhooks.stores import new_events, postgresql_notify
from tests.support.postgresql import execute
from tests.support.webhook_messages import NOW, SECRET, body, headers

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)

SLACK = 5.0
"""Seconds for a busy machine."""


@pytest.mark.parametrize(
    ("interval", "seconds"), [(2.0, 1.0), pytest.param(follower.LAST_INTERVAL, 240.0, marks=pytest.mark.long)]
)
async def test_no_wait_ends_later_than_a_polling_interval_after_its_event_was_stored(
    location: str, interval: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL the connections that listen are cut now and then."""
    if interval < follower.LAST_INTERVAL:
        for module, name, value in (
            (follower, "FIRST_INTERVAL", interval),
            (follower, "LAST_INTERVAL", interval),
            (postgresql_notify, "RECONNECTION", 0.2),
            (postgresql_notify, "CHECK", 0.2),
            (new_events, "POLL", 0.1),
        ):
            monkeypatch.setattr(module, name, value)
    draw, clock = random.Random(1), time.monotonic
    hubs = [StatusHub(), StatusHub()]
    inboxes = [WebhookInbox(WebhookVerifier([SECRET]), store=location, hub=hub) for hub in hubs]
    stored: dict[str, float] = {}
    late: dict[str, float] = {}

    async def fetch(delivery_id: str, *, include_history: bool) -> Delivery:
        status = DeliveryStatus.DELIVERED if delivery_id in stored else DeliveryStatus.IN_TRANSIT
        return Delivery(delivery_id=delivery_id, status=status)

    async def wait(delivery_id: str, hub: StatusHub) -> None:
        await wait_for_status(fetch, delivery_id, DeliveryStatus.DELIVERED, events=hub)
        late[delivery_id] = clock() - stored[delivery_id]

    async def store(delivery_id: str) -> None:
        await asyncio.sleep(draw.uniform(0, seconds))
        raw = body(f"wh_{delivery_id}", delivery_id=delivery_id)
        stored[delivery_id] = clock()
        await draw.choice(inboxes).receive(raw, headers(raw), NOW)

    async def cut() -> None:
        while location.startswith("postgresql"):
            await asyncio.sleep(draw.uniform(0.02, 0.1) * seconds)
            await asyncio.to_thread(execute, location, CUT)

    async with inboxes[0], inboxes[1]:
        deliveries = [f"dlv_{number}" for number in range(40)]
        cutting = asyncio.create_task(cut())
        async with asyncio.timeout(2 * seconds + 60), asyncio.TaskGroup() as group:
            for delivery_id in deliveries:
                group.create_task(wait(delivery_id, draw.choice(hubs)))
                group.create_task(store(delivery_id))
        cutting.cancel()
        await asyncio.wait([cutting])
    assert max(late.values()) <= interval + SLACK
