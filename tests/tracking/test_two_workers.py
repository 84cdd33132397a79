"""Two workers of one service share the inbox's store; each has a hub of its own, and gets a part of the events."""

import asyncio
import itertools
import random
import time

import pytest

from kaspi_delivery_async import Delivery, DeliveryStatus, StatusHub, WebhookVerifier
from kaspi_delivery_async._database import listening
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


class TwoWorkers:
    """Waits and events of both, for so many seconds."""

    def __init__(self, location: str, seconds: float) -> None:
        self.late: list[float] = []
        """For each wait, the seconds from the storing of its event to its end."""
        self._location = location
        self._seconds = seconds
        self._draw = random.Random(1)
        self._hubs = [StatusHub(), StatusHub()]
        verifier = WebhookVerifier([SECRET])
        self.inboxes = [WebhookInbox(verifier, store=location, hub=hub) for hub in self._hubs]
        self._stored: dict[str, float] = {}

    async def fetch(self, delivery_id: str, *, include_history: bool) -> Delivery:
        status = DeliveryStatus.DELIVERED if delivery_id in self._stored else DeliveryStatus.IN_TRANSIT
        return Delivery(delivery_id=delivery_id, status=status)

    async def wait(self, delivery_id: str) -> None:
        await wait_for_status(self.fetch, delivery_id, DeliveryStatus.DELIVERED, events=self._draw.choice(self._hubs))
        self.late.append(time.monotonic() - self._stored[delivery_id])

    async def deliver(self, delivery_id: str) -> None:
        await asyncio.sleep(self._draw.uniform(0, self._seconds))
        raw = body(f"wh_{delivery_id}", delivery_id=delivery_id)
        self._stored[delivery_id] = time.monotonic()
        await self._draw.choice(self.inboxes).receive(raw, headers(raw), NOW)

    async def chatter(self, pause: float) -> None:
        """Have either hub receive events of another delivery, so that it is never silent."""
        for number in itertools.count():
            raw = body(f"wh_other_{number}", delivery_id="dlv_other")
            await self.inboxes[number % 2].receive(raw, headers(raw), NOW)
            await asyncio.sleep(pause)

    async def cut(self) -> None:
        """Cut the connections that listen, now and then."""
        while self._location.startswith("postgresql"):
            await asyncio.sleep(self._draw.uniform(0.02, 0.1) * self._seconds)
            await asyncio.to_thread(execute, self._location, CUT)


@pytest.mark.parametrize(
    ("interval", "seconds"), [(2.0, 1.0), pytest.param(follower.LAST_INTERVAL, 240.0, marks=pytest.mark.long)]
)
async def test_no_wait_ends_later_than_a_polling_interval_after_its_event_was_stored(
    location: str, interval: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if interval < follower.LAST_INTERVAL:
        for module, name, value in (
            (follower, "FIRST_INTERVAL", interval),
            (follower, "LAST_INTERVAL", interval),
            (postgresql_notify, "RECONNECTION", 0.2),
            (listening, "CHECK", 0.2),
            (new_events, "POLL", 0.1),
        ):
            monkeypatch.setattr(module, name, value)
    workers = TwoWorkers(location, seconds)
    async with workers.inboxes[0], workers.inboxes[1]:
        disturbing = [asyncio.create_task(workers.cut()), asyncio.create_task(workers.chatter(interval / 8))]
        async with asyncio.timeout(2 * seconds + 60), asyncio.TaskGroup() as group:
            for number in range(40):
                group.create_task(workers.wait(f"dlv_{number}"))
                group.create_task(workers.deliver(f"dlv_{number}"))
        for task in disturbing:
            task.cancel()
        await asyncio.wait(disturbing)
    assert len(workers.late) == 40
    assert max(workers.late) <= interval + SLACK
