"""Stores whose time tests can pass."""

import heapq

from sqlalchemy import update

from kaspi_delivery_async.webhooks import MemoryStore, Store
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from kaspi_delivery_async.webhooks.stores.tables import events


async def let_pass(store: Store, seconds: float) -> None:
    """Bring every due time and every lease's end nearer, as if time had passed."""
    if isinstance(store, MemoryStore):
        for row in store._waiting.values():
            row.due_at -= seconds
            heapq.heappush(store._due, (row.due_at, row.number))
    elif isinstance(store, SqlStore):
        earlier = update(events).values(due_at=events.c.due_at - seconds)
        await store._write(lambda connection: connection.execute(earlier))
