"""Results of a bulk run: one for each order, and a notice for each pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async.bulk.steps import Step
from kaspi_delivery_async.errors import InvalidRequestError, KaspiDeliveryError

if TYPE_CHECKING:
    from kaspi_delivery_async._exactly_once.decisions import OrderUpdate
    from kaspi_delivery_async.bulk.journal.claims import Skip
    from kaspi_delivery_async.bulk.journal.entries import JournalEntry
    from kaspi_delivery_async.bulk.order import Order
    from kaspi_delivery_async.bulk.steps import Known


@attrs.frozen(kw_only=True)
class Result:
    """Result of one line of the input in this run."""

    place: str
    """The line's place in the input."""
    order_id: str | None
    """None if the line could not be read."""
    state: OrderState
    """The order's state; ``failed`` for a line that was refused before anything was sent."""
    delivery_id: str | None = None
    """Of a line that repeats an order, the delivery that was made for the other line."""
    tracking_url: str | None = None
    replayed: bool = False
    """Whether the API replayed the response that it had given under the idempotency key before (Source: GS AU)."""
    known: bool = False
    """Whether the journal held the result before, so that nothing was sent now."""
    error: str | None = None
    """Error message, without personal data."""
    error_type: str | None = None
    """The error's class, by which errors can be counted, such as ``BadRequestError``."""


@attrs.frozen(kw_only=True)
class Paused:
    """The run is paused: the API asked for a wait longer than a call may take. No order fails because of it."""

    seconds: float
    """Length of the pause."""
    cause: KaspiDeliveryError
    """The API's 429 or 5xx response, or the client's own error if its limiter is waiting out an earlier one."""


def refusal(place: str, order_id: str | None, error: InvalidRequestError, known: Known | None = None) -> Result:
    """Return the result of a line for which nothing is sent; ``known`` is the order that it repeats."""
    return Result(
        place=place,
        order_id=order_id,
        state=OrderState.FAILED,
        delivery_id=known.delivery_id if known else None,
        tracking_url=known.tracking_url if known else None,
        error=str(error),
        error_type=type(error).__name__,
    )


def result_of_skip(order: Order, skip: Skip) -> Result:
    """Return the result of an order that is not sent."""
    known = skip.known
    if skip.step in {Step.DUPLICATE, Step.CHANGED}:
        return refusal(order.place, order.order_id, _repetition(order, skip), known)
    state, error, error_type = known.state, known.error, None
    if skip.step is Step.DOUBT:
        state, error_type = OrderState.IN_DOUBT, "InDoubt"
        error = "sent more than 23 h ago without a response; a webhook that names the order will resolve it"
    elif skip.step is Step.OTHER_KEY:
        error_type = "OtherApiKey"
        error = (
            "sent under another API key without a response; whether the API would recognise it under this one is not "
            "known: resume with the API key of that run, or wait for a webhook that names the order"
        )
    elif skip.step is Step.WAIT:
        error, error_type = "another run has been sending it for an hour; look at that run", "InFlight"
    return Result(
        place=order.place,
        order_id=order.order_id,
        state=state,
        delivery_id=known.delivery_id,
        tracking_url=known.tracking_url,
        known=error_type is None,
        error=error,
        error_type=error_type,
    )


def result_of_update(order: Order, update: OrderUpdate) -> Result:
    """Return the result of an order that was sent."""
    return Result(
        place=order.place,
        order_id=order.order_id,
        state=update.state,
        delivery_id=update.delivery_id,
        tracking_url=update.tracking_url,
        replayed=update.replayed,
        error=update.error,
        error_type=update.error_type,
    )


def result_of_entry(place: str, entry: JournalEntry) -> Result:
    """Return the result of an order whose run ended before it reported it."""
    return Result(
        place=place,
        order_id=entry.order_id,
        state=entry.state,
        delivery_id=entry.delivery_id,
        tracking_url=entry.tracking_url,
        error=entry.error,
    )


def _repetition(order: Order, skip: Skip) -> InvalidRequestError:
    known = skip.known
    made = f"delivery {known.delivery_id}" if known.delivery_id else "no delivery known"
    fate = f"({known.state}, {made})"
    if skip.step is Step.CHANGED:
        return InvalidRequestError(
            order.place,
            f"the journal holds this order with other content, from {known.place} {fate}; nothing was sent for this "
            "line: restore it, or give a new delivery an order id of its own",
        )
    how = "repeats the order of" if known.fingerprint == order.fingerprint else "contradicts the order of"
    return InvalidRequestError(
        order.place, f"{how} {known.place}, with the same order id {fate}; nothing was sent for this line"
    )
