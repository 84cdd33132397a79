"""Counts for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async.outbox.entries import OutboxPause, OutboxState, OutboxStatus
from kaspi_delivery_async.outbox.storage import statements

if TYPE_CHECKING:
    from sqlalchemy import Connection


def status(connection: Connection, *, now: float) -> OutboxStatus:
    """Count entries by state, and list the relays that are paused."""
    counted: list[Any] = [*connection.execute(statements.counts())]
    counts = {state: count for state, count, _ in counted}
    oldest = {state: max(0.0, now - enqueued_at) for state, _, enqueued_at in counted}
    running: list[Any] = [*connection.execute(statements.live_relays(now=now))]
    return OutboxStatus(
        environment=connection.execute(statements.environment()).scalar_one(),
        counts=MappingProxyType({state: counts.get(state, 0) for state in OutboxState}),
        oldest_age=MappingProxyType({state: oldest.get(state) for state in OutboxState}),
        relays=len(running),
        pauses=tuple(
            OutboxPause(relay=relay.name, reason=relay.reason, since=relay.paused_since, until=relay.paused_until)
            for relay in running
            if relay.reason is not None
        ),
    )
