"""What to do about an order, before and after it is sent: pure decisions over what the journal knows."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import attrs

from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW
from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.bulk.order import UNFINISHED, OrderState
from kaspi_delivery_async.errors import (
    ApiError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    DeadlineExceededError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    UnreadableResponseError,
)

if TYPE_CHECKING:
    from kaspi_delivery_async.bulk.order import Order
    from kaspi_delivery_async.models import DeliveryCreated
    from kaspi_delivery_async.response import Response

CLOCK_TOLERANCE = 300.0
"""Seconds by which the clocks of machines that share a journal may differ."""

_HTTP_BAD_REQUEST = 400


class Step(Enum):
    """What is done about an order of the input."""

    SEND = auto()
    """It is sent; the journal says so already."""
    WAIT = auto()
    """Another run is sending it just now."""
    KNOWN = auto()
    """Its outcome is known, nothing is sent."""
    DOUBT = auto()
    """It may have arrived, and its key is too old."""
    DUPLICATE = auto()
    """An earlier line of the same input names the same order."""
    CHANGED = auto()
    """The order is known with another payload."""


@attrs.frozen(kw_only=True)
class Known:
    """What the journal knows of an order when it is met again."""

    state: OrderState = attrs.field(converter=OrderState)
    fingerprint: str
    run: str
    """The passage through an input that met it last."""
    place: str
    """Where in the input."""
    leased: bool
    """Whether a run that is alive is sending it."""
    sent_at: float | None
    """When it may first have left: Unix seconds."""
    delivery_id: str | None
    tracking_url: str | None
    error: str | None


def next_step(order: Order, known: Known | None, *, run: str, now: float) -> Step:
    """Decide what to do about an order that the passage ``run`` through an input meets at ``now``, in Unix seconds."""
    if known is None:
        return Step.SEND
    if known.run == run and known.place != order.place:
        return Step.DUPLICATE
    if known.fingerprint != order.fingerprint:
        return Step.CHANGED
    if known.state not in UNFINISHED:
        return Step.KNOWN
    if known.leased:
        return Step.WAIT
    return Step.SEND if is_young(known.sent_at, now=now) else Step.DOUBT


def is_young(sent_at: float | None, *, now: float) -> bool:
    """Whether the key of an order that may have left at ``sent_at`` can still be trusted (Source: AU).

    A time in the future was written by a wrong clock, and tells no age.
    """
    return sent_at is None or -CLOCK_TOLERANCE <= now - sent_at < RESEND_WINDOW


class Verdict(NamedTuple):
    """What became of an order that was sent."""

    state: OrderState
    delivery_id: str | None = None
    tracking_url: str | None = None
    replayed: bool = False
    error: str | None = None
    error_type: str | None = None
    again: bool = False
    """Whether the same run sends it again."""
    ends_run: bool = False
    """Whether any other order would fare the same."""


def verdict_on_answer(response: Response[DeliveryCreated]) -> Verdict:
    """Decide what becomes of an order that was answered."""
    created = response.value
    return Verdict(
        state=OrderState.CREATED,
        delivery_id=storable(created.delivery_id),
        tracking_url=created.tracking_url and storable(created.tracking_url),
        replayed=response.replayed,
    )


def put_back(*, may_have_arrived: bool) -> Verdict:
    """Decide what becomes of an order that was taken and not sent, because the run ended."""
    return Verdict(state=OrderState.SENT if may_have_arrived else OrderState.PENDING, again=True)


def verdict_on_error(error: KaspiDeliveryError, *, may_have_arrived: bool) -> Verdict:
    """Decide what becomes of an order that was not answered as hoped.

    ``may_have_arrived`` tells of earlier runs: what they may have done is not taken back by a later
    refusal, as within a call.
    """
    ends_run = _is_about_all_orders(error)
    again = not ends_run and _is_worth_waiting_for(error)
    if may_have_arrived or error.outcome is Outcome.UNKNOWN:
        state = OrderState.SENT
    elif again or ends_run:
        state = OrderState.PENDING
    else:
        state = OrderState.REJECTED if error.outcome is Outcome.REJECTED else OrderState.FAILED
    return Verdict(
        state=state,
        delivery_id=error.delivery_id if isinstance(error, UnreadableResponseError) else None,
        error=storable(str(error)),
        error_type=type(error).__name__,
        again=again,
        ends_run=ends_run,
    )


def _is_about_all_orders(error: KaspiDeliveryError) -> bool:
    """Whether it is the key, the settings or the address that is wrong, and not the order."""
    if isinstance(error, ApiError) and error.status < _HTTP_BAD_REQUEST:
        return True  # a redirect
    return isinstance(
        error,
        AuthenticationError | PermissionDeniedError | NotFoundError | CertificateError | ConfigurationError,
    )


def _is_worth_waiting_for(error: KaspiDeliveryError) -> bool:
    """Whether the API will take the order later, or the order's turn just did not come."""
    if isinstance(error, ApiError) and error.replayed:
        return False  # it stays the answer for as long as the key lives
    if isinstance(error, RateLimitedError) or error.retry_after is not None:
        return True
    return isinstance(error, DeadlineExceededError) and not error.attempts
