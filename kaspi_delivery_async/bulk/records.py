"""What bulk creation speaks of, as plain data: an input line, an order ready to be sent, what became of it."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspi_delivery_async.errors import KaspiDeliveryError
    from kaspi_delivery_async.models import DeliveryCreated, DeliveryRequest
    from kaspi_delivery_async.operations import Operation


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


def storable(text: str) -> str:
    """Replace what no database keeps."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


@attrs.frozen(kw_only=True)
class Line:
    """One order of an input, or what is wrong with it."""

    place: str = attrs.field(converter=storable)
    """Where it stands, for people, such as ``orders.csv, line 17``."""
    order: DeliveryRequest | InvalidRequestError = attrs.field(repr=False)


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


@attrs.frozen(kw_only=True)
class Result:
    """What became of one line of the input in this run."""

    place: str
    """Where the order stands in the input."""
    order_id: str | None
    """None if the line could not be read."""
    state: OrderState
    """The order's state; ``failed`` for a line that was refused before anything was sent."""
    delivery_id: str | None = None
    tracking_url: str | None = None
    replayed: bool = False
    """Whether the API answered from its memory of the idempotency key (Source: GS AU)."""
    known: bool = False
    """Whether the journal knew the outcome before, so that nothing was sent now."""
    error: str | None = None
    """What went wrong, without personal data."""
    error_type: str | None = None
    """The error's class, by which errors can be counted, such as ``BadRequestError``."""


@attrs.frozen(kw_only=True)
class Paused:
    """The API asked to be left alone for longer than a call lasts; no order fails for it."""

    seconds: float
    """How long the run pauses."""
    cause: KaspiDeliveryError
    """What the API, or the client that waits for it, said."""


@attrs.frozen(kw_only=True)
class JournalEntry:
    """An order as the journal knows it; times are Unix seconds."""

    order_id: str
    key: str
    fingerprint: str
    state: OrderState = attrs.field(converter=OrderState)
    place: str
    sent_at: float | None
    """When it may first have left; the age of its key counts from here."""
    updated_at: float
    delivery_id: str | None
    tracking_url: str | None
    error: str | None


@attrs.frozen(kw_only=True)
class Totals:
    """How many orders a journal holds."""

    environment: str | None
    """Host of the API that they are for; None while nothing was sent."""
    orders: Mapping[OrderState, int]
    """For every state, those with 0 included."""
    oldest_sent_at: float | None
    """When the oldest unanswered order may first have left: Unix seconds; None if there is none."""
