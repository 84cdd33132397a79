"""What bulk creation speaks of, as plain data: an input line, an order ready to be sent, what became of it."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from kaspi_delivery_async.models import DeliveryCreated
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.order_files.lines import Line


class OrderState(StrEnum):
    """Where an order stands in the journal."""

    PENDING = "pending"
    """Known, and nothing of it has left: it was put back during a pause, or because the run ended."""
    SENT = "sent"
    """It may have left, and no answer is known: the next run sends it again under the same key."""
    CREATED = "created"
    """The API has made the delivery. Final."""
    REJECTED = "rejected"
    """The API refused the order; nothing was made. Final."""
    FAILED = "failed"
    """Nothing of it can have arrived, such as for want of a connection: the next run tries again."""
    IN_DOUBT = "in_doubt"
    """It may have arrived, and its key is too old to be sent again: a webhook that names the order settles it."""


UNFINISHED = frozenset({OrderState.PENDING, OrderState.SENT, OrderState.FAILED})
"""What another run takes up. Orders in any other state are left alone, and their bodies forgotten."""


@attrs.frozen(kw_only=True)
class Order:
    """An order with all that is fixed before it is sent."""

    place: str
    order_id: str
    operation: Operation[DeliveryCreated] = attrs.field(repr=False)
    key: str
    """Its idempotency key, by which the journal knows it too."""
    body: bytes = attrs.field(repr=False)
    fingerprint: str
    """SHA-256 of the body, in hex."""


def prepare(line: Line) -> Order:
    """Fix an order's key and body, or raise the `InvalidRequestError` that tells what is wrong with the line."""
    if isinstance(line.order, InvalidRequestError):
        raise line.order
    try:
        operation = operations.create_delivery(line.order)
    except InvalidRequestError as error:
        raise InvalidRequestError(line.place, str(error)) from None
    if "\0" in line.order.external_order_id:
        raise InvalidRequestError(line.place, "$.externalOrderId: must not hold a NUL character: no database keeps it")
    key, body = operation.idempotency_key, operation.body
    assert key is not None and body is not None  # noqa: PT018, S101 - a create has both
    return Order(
        place=line.place,
        order_id=line.order.external_order_id,
        operation=operation,
        key=key,
        body=body,
        fingerprint=hashlib.sha256(body).hexdigest(),
    )
