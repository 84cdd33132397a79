"""An order ready to be sent, with key, body and fingerprint fixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async._exactly_once.operations import fingerprint_of
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from kaspi_delivery_async.models import DeliveryCreated
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.order_files.lines import Line


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
        fingerprint=fingerprint_of(body),
    )
