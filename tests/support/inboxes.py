"""Inboxes to test with: handlers that record what they are given, and stores that fail."""

import asyncio
import time
from typing import Any

from kaspi_delivery_async import DeliveryWebhook, RetryPolicy
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.stored_events import Lease, Message
from tests.support.webhook_messages import SECRET, body, headers

POLICY = RetryPolicy(max_attempts=3, base=10.0, cap=15.0)


def new_inbox(store: Any = None, **settings: Any) -> WebhookInbox:
    """Make an inbox whose retries have no jitter; in memory, if no store is given."""
    settings = {"retry": POLICY, "handler_timeout": None, "draw": lambda: 1.0} | settings
    return WebhookInbox(WebhookVerifier([SECRET]), store=store or MemoryStore(), **settings)


async def receive(inbox: WebhookInbox, event_id: str = "wh_1", **fields: Any) -> bool:
    """Have an inbox receive an event; return whether it was a duplicate."""
    raw = body(event_id, **fields)
    return (await inbox.receive(raw, headers(raw, at=time.time()))).duplicate


class Handler:
    """Records what it is given; fails, or takes its time, as configured."""

    def __init__(self, *, failures: int = 0, seconds: float = 0.0, error: BaseException | None = None) -> None:
        self.began: list[tuple[float, str]] = []
        self.handled: list[DeliveryWebhook] = []
        self.failures = failures
        self.seconds = seconds
        self.error = error or ValueError("no courier")
        self.running = self.most_running = 0

    async def __call__(self, event: DeliveryWebhook) -> None:
        self.began.append((asyncio.get_running_loop().time(), event.event_id))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        if len(self.began) <= self.failures:
            raise self.error
        self.handled.append(event)

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.began]


class BrokenStore(MemoryStore):
    """Fails where it is to."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise OSError(f"{name} failed")

    async def add(self, message: Message) -> bool:
        self._check("add")
        return await super().add(message)

    async def lease(self, *, worker: str, seconds: float, limit: int) -> list[Lease]:
        self._check("lease")
        return await super().lease(worker=worker, seconds=seconds, limit=limit)

    async def renew(self, leases: Any, *, seconds: float) -> None:
        self._check("renew")
        await super().renew(leases, seconds=seconds)

    async def update(self, lease: Lease, result: Any) -> None:
        self._check("update")
        await super().update(lease, result)

    async def release(self, leases: Any) -> None:
        self._check("release")
        await super().release(leases)
