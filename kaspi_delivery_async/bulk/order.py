"""An order ready to be sent, with key, body and fingerprint fixed, and the states it has in the journal."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from kaspi_delivery_async.models import DeliveryCreated
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.order_files.lines import Line


class OrderState(StrEnum):
    """State of an order in the journal."""

    PENDING = "pending"
    """Known, and nothing of it has left: it was put back during a pause, or because the run ended."""
    SENT = "sent"
    """It may have left, and no response is known: the next run sends it again under the same key."""
    CREATED = "created"
    """The API has made the delivery. Final."""
    REJECTED = "rejected"
    """The API refused the order; no delivery exists. Final."""
    FAILED = "failed"
    """Nothing of it had an effect, for example because no connection could be made: the next run tries again."""
    IN_DOUBT = "in_doubt"
    """It may have arrived, and its key is too old to be sent again: a webhook that names the order confirms it."""


UNFINISHED = frozenset({OrderState.PENDING, OrderState.SENT, OrderState.FAILED})
"""States of orders that another run resumes. Orders in any other state are left alone, and their bodies erased."""


@attrs.frozen(kw_only=True)
class Order:
    """An order with everything that is fixed before its first send."""

    place: str
    order_id: str
    """In its canonical form, as it is sent."""
    operation: Operation[DeliveryCreated] = attrs.field(repr=False)
    key: str
    """Its idempotency key, which identifies it in the journal, too."""
    body: bytes = attrs.field(repr=False)
    fingerprint: str
    """SHA-256 of the body, in hex."""


def prepare(line: Line) -> Order:
    """Fix an order's key and body; raises `InvalidRequestError` with the line's place for a line that is not valid."""
    if isinstance(line.order, InvalidRequestError):
        raise line.order
    try:
        operation = operations.create_delivery(line.order)
    except InvalidRequestError as error:
        raise InvalidRequestError(line.place, str(error)) from None
    # A create has both a key and a body.
    key, body = operation.idempotency_key or "", operation.body or b""
    return Order(
        place=line.place,
        order_id=canonical_order_id(line.order.external_order_id),
        operation=operation,
        key=key,
        body=body,
        fingerprint=hashlib.sha256(body).hexdigest(),
    )
