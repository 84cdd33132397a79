"""What follows for an order from the response to it, or from the error of its call: pure decisions."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW
from kaspi_delivery_async._wire.text import storable
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
    from kaspi_delivery_async.models import DeliveryCreated
    from kaspi_delivery_async.response import Response

CLOCK_TOLERANCE = 300.0
"""Seconds by which the clocks of machines that share a journal or an outbox may differ."""

WRONG_ADDRESS = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE})
"""Statuses of a server that is not the API, as a 404 is: every other order would get them, too."""

NOT_FINAL = frozenset({
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.LOCKED,
    HTTPStatus.TOO_EARLY,
    499,  # a proxy's: its client closed the connection
})  # fmt: skip
"""Statuses of the 4xx that refuse this request, and not the order."""


def is_young(sent_at: float | None, *, now: float) -> bool:
    """Whether the key of an order that may have left at ``sent_at`` can still be trusted (Source: AU).

    A time in the future was written by a wrong clock, and is no measure of age.
    """
    return sent_at is None or -CLOCK_TOLERANCE <= now - sent_at < RESEND_WINDOW


class OrderUpdate(NamedTuple):
    """What is to be kept of an order after a call, and how the run or the relay goes on."""

    state: OrderState
    delivery_id: str | None = None
    tracking_url: str | None = None
    status: str | None = None
    """The delivery's, as the response gave it."""
    replayed: bool = False
    error: str | None = None
    error_type: str | None = None
    again: bool = False
    """Whether the same run sends it again, however many calls it has had."""
    pause: float | None = None
    """Seconds for which the API asked to be sent nothing; 0 if it named no time, None if it did not ask."""
    ends_run: bool = False
    """Whether any other order would fare the same."""


def update_after_response(response: Response[DeliveryCreated]) -> OrderUpdate:
    """Return the update of an order whose delivery was made."""
    created = response.value
    return OrderUpdate(
        state=OrderState.CREATED,
        delivery_id=storable(created.delivery_id),
        tracking_url=created.tracking_url and storable(created.tracking_url),
        status=storable(created.status),
        replayed=response.replayed,
    )


def put_back(*, may_have_arrived: bool) -> OrderUpdate:
    """Return the update of an order that was claimed and not sent."""
    return OrderUpdate(state=OrderState.SENT if may_have_arrived else OrderState.PENDING, again=True)


def update_after_error(error: KaspiDeliveryError, *, may_have_arrived: bool) -> OrderUpdate:
    """Return the update of an order whose call failed.

    ``may_have_arrived`` is about earlier calls: a later refusal does not take back what they may have done.
    """
    ends_run = _is_about_all_orders(error)
    pause = None if ends_run else _pause_asked_for(error)
    again = not ends_run and (_is_rate_limit(error) or _never_had_its_turn(error))
    if may_have_arrived or error.outcome is Outcome.UNKNOWN:
        state = OrderState.SENT
    elif again or ends_run:
        state = OrderState.PENDING
    elif error.outcome is Outcome.REJECTED and not (isinstance(error, ApiError) and error.status in NOT_FINAL):
        state = OrderState.REJECTED
    else:
        state = OrderState.FAILED
    return OrderUpdate(
        state=state,
        delivery_id=error.delivery_id if isinstance(error, UnreadableResponseError) else None,
        error=storable(str(error)),
        error_type=type(error).__name__,
        again=again,
        pause=pause,
        ends_run=ends_run,
    )


def _is_about_all_orders(error: KaspiDeliveryError) -> bool:
    """Whether it is the key, the settings or the address that is wrong, and not the order."""
    if isinstance(error, ApiError) and (error.status < HTTPStatus.BAD_REQUEST or error.status in WRONG_ADDRESS):
        return True  # a redirect, or a server that is not the API
    return isinstance(
        error,
        AuthenticationError | PermissionDeniedError | NotFoundError | CertificateError | ConfigurationError,
    )


def _is_rate_limit(error: KaspiDeliveryError) -> bool:
    # What is replayed stays the response for as long as the key lives.
    return isinstance(error, RateLimitedError) and not error.replayed


def _never_had_its_turn(error: KaspiDeliveryError) -> bool:
    return isinstance(error, DeadlineExceededError) and not error.attempts and error.outcome is Outcome.NOT_SENT


def _pause_asked_for(error: KaspiDeliveryError) -> float | None:
    """Return the seconds to wait; a refusal is final, whatever headers it has."""
    if _is_rate_limit(error):
        return error.retry_after or 0.0
    if isinstance(error, ApiError):
        may_pass = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status in NOT_FINAL
        return error.retry_after if may_pass and not error.replayed else None
    return error.retry_after
