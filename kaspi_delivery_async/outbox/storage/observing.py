"""Events of deliveries, written down in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.idempotency_keys import create_key
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.outbox.decisions import observed
from kaspi_delivery_async.outbox.storage import relay_statements as statements
from kaspi_delivery_async.outbox.storage import rows
from kaspi_delivery_async.outbox.storage.statements import identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from kaspi_delivery_async.models import DeliveryWebhookData

NOTED = 5.0
"""Seconds for which it is not written down again that events come."""


def observe(
    connection: Connection, *, data: DeliveryWebhookData, now: Callable[[Connection], float], notifies: bool
) -> None:
    """Take note of an event."""
    order_id = canonical_order_id(data.external_order_id or "")
    before = rows.lock_named(
        connection, order_key=create_key(order_id) if order_id else None, delivery_id=storable(data.delivery_id)
    )
    moment = now(connection)
    after = [observed(row, moment, data=data) for row in before]
    rows.save(connection, before, after)
    connection.execute(statements.note_event(now=moment, unless_after=moment - NOTED))
    is_postgresql = connection.dialect.name == "postgresql"
    if notifies and is_postgresql and before != after:
        connection.execute(statements.wake_relays(connection.execute(identity()).scalar_one()))
