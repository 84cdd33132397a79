"""The outbox: an order and its courier in one transaction of the shop's own database. Requires the ``outbox`` extra."""

from kaspi_delivery_async.errors import OutboxConflictError
from kaspi_delivery_async.outbox.entries import (
    OpenEntry,
    OutboxEntry,
    OutboxPause,
    OutboxState,
    OutboxStatus,
    ReconcileReport,
)
from kaspi_delivery_async.outbox.outbox import DeliveryOutbox

__all__ = [
    "DeliveryOutbox",
    "OpenEntry",
    "OutboxConflictError",
    "OutboxEntry",
    "OutboxPause",
    "OutboxState",
    "OutboxStatus",
    "ReconcileReport",
]
