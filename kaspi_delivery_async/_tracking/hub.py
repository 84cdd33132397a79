"""Webhook events on their way to the waits for their deliveries."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

import attrs

from kaspi_delivery_async.models import DeliveryStatus, DeliveryWebhook, DeliveryWebhookData
from kaspi_delivery_async.status import is_news

REMEMBERED_DELIVERIES = 10_000
"""Deliveries whose events a hub keeps for waits that begin later."""


@attrs.frozen(kw_only=True)
class StatusChange:
    """A delivery has reached a status."""

    delivery_id: str
    status: DeliveryStatus
    timestamp: datetime | None = None
    """The time that the API gives; None if it gives none."""


class StatusHub:
    """Passes verified webhook events to the waits for their deliveries, within one event loop.

    Hand every event that a `WebhookVerifier` accepted to `publish`, and give the hub to `wait_for_status` or `watch`
    as ``events``. Events of the last 10,000 deliveries are kept for waits that begin after them.

    A hub usually sees a part of all events only: behind a load balancer, another process receives the others. So a
    wait polls on its schedule whatever the hub receives. Set ``complete`` if, and for as long as, every event of every
    delivery is certain to reach this hub: then waits are polled only once an hour while events keep coming.
    A `WebhookInbox` on PostgreSQL sets it while it listens to the database, unless ``complete=False`` was passed.
    """

    def __init__(self, *, complete: bool | None = None) -> None:
        self._listeners: dict[str, set[asyncio.Queue[StatusChange]]] = {}
        self._recent: dict[str, tuple[StatusChange, ...]] = {}
        self.last_event_at: float = float("-inf")
        """When the last event came, of whatever delivery, on the loop's clock."""
        self._complete_since = float("-inf") if complete else float("inf")
        self._may_be_complete = complete is not False

    @property
    def complete(self) -> bool:
        """Whether every event of every delivery is certain to reach this hub."""
        return self._complete_since < float("inf")

    @complete.setter
    def complete(self, value: bool) -> None:
        if value != self.complete:
            self._complete_since = asyncio.get_running_loop().time() if value else float("inf")

    @contextmanager
    def nothing_missed(self) -> Generator[None, None, None]:
        """Be complete for as long as the context lasts, unless the hub was made with ``complete=False``."""
        self.complete = self._may_be_complete
        try:
            yield
        finally:
            self.complete = False

    def is_complete_since(self, moment: float) -> bool:
        """Whether no event can have been missed since ``moment``, on the loop's clock."""
        return self._complete_since <= moment

    def publish(self, event: DeliveryWebhook) -> None:
        """Wake the waits for the event's delivery. Late and repeated events do no harm."""
        self.announce(event.data)

    def announce(self, data: DeliveryWebhookData) -> None:
        """Publish an event of which only the data are known, such as one that another process received."""
        self.last_event_at = asyncio.get_running_loop().time()
        change = StatusChange(delivery_id=data.delivery_id, status=data.status, timestamp=data.timestamp)
        self._remember(change)
        for listener in self._listeners.get(change.delivery_id, ()):
            listener.put_nowait(change)

    @contextmanager
    def listen(self, delivery_id: str) -> Generator[asyncio.Queue[StatusChange], None, None]:
        """Collect the delivery's events, those before included, in a queue for as long as the context lasts."""
        queue: asyncio.Queue[StatusChange] = asyncio.Queue()
        for change in self._recent.get(delivery_id, ()):
            queue.put_nowait(change)
        listeners = self._listeners.setdefault(delivery_id, set())
        listeners.add(queue)
        try:
            yield queue
        finally:
            listeners.discard(queue)
            if not listeners:
                self._listeners.pop(delivery_id, None)

    def _remember(self, change: StatusChange) -> None:
        earlier = self._recent.pop(change.delivery_id, ())
        if is_news(change.status, seen=[one.status for one in earlier]):
            earlier = (*earlier, change)
        self._recent[change.delivery_id] = earlier[-len(DeliveryStatus) :]
        if len(self._recent) > REMEMBERED_DELIVERIES:
            del self._recent[next(iter(self._recent))]
