"""What follows for an entry from a response, an error, an event or a poll: pure decisions over rows."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async._tracking.follower import LAST_INTERVAL
from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import ApiError
from kaspi_delivery_async.models import DeliveryStatus
from kaspi_delivery_async.outbox.entries import NOT_CONFIRMED, OutboxState
from kaspi_delivery_async.status import is_news, is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaspi_delivery_async._exactly_once.decisions import OrderUpdate
    from kaspi_delivery_async.errors import KaspiDeliveryError
    from kaspi_delivery_async.models import DeliveryWebhookData

LONGEST_RETRY = 300.0
"""Seconds between tries at most: of a call without a response, of a callback that raises, of a relay that is paused."""

_IN_DOUBT_ERROR = (
    "sent 23 hours ago or earlier without a response: its idempotency key can no longer be trusted, so it is not sent "
    "again; a webhook that names the order confirms it, or look the order up in the Kaspi Delivery cabinet"
)


@attrs.frozen(kw_only=True)
class Row:
    """What may change of an entry; times are Unix seconds."""

    number: int
    state: OutboxState = attrs.field(converter=OutboxState)
    owner: str | None
    account: str | None
    attempts: int
    error: str | None
    first_sent_at: float | None
    updated_at: float
    due_at: float
    delivery_id: str | None
    tracking_url: str | None
    status: str | None
    seen_at: float | None
    poll_at: float | None
    polls: int
    result_due: float | None
    result_failures: int
    status_due: float | None
    status_failures: int
    seen: tuple[str, ...] = ()
    """Statuses that the delivery has been through, as far as they are known."""


def retry_delay(failures: int) -> float:
    """Return the seconds before the next try after a number of failures: 1, doubling, at most 5 minutes."""
    return min(LONGEST_RETRY, 2.0 ** min(failures - 1, 30))


def after_call(row: Row, now: float, *, update: OrderUpdate, owner: str, first_poll: float) -> Row:
    """Decide what follows from a relay's call; ``first_poll`` is the time until the delivery is read first.

    A delivery that the API says it made is made, whatever was believed before. Anything else gives way to a webhook,
    and to another relay that has claimed the entry after this one's lease expired.
    """
    if update.state is OrderState.CREATED:
        made = _created(row, update.delivery_id, now=now, poll_at=now + first_poll)
        return with_statuses(attrs.evolve(made, tracking_url=update.tracking_url), [update.status], now=now)
    if row.state is not OutboxState.SENT or row.owner != owner:
        return row
    row = attrs.evolve(row, owner=None, updated_at=now, error=update.error or row.error)
    if update.error is None:  # it was put back, and not called for
        row = attrs.evolve(row, attempts=row.attempts - 1)
    if update.state is OrderState.REJECTED:
        return attrs.evolve(row, state=OutboxState.REJECTED, result_due=now)
    if update.state is OrderState.SENT:
        row = attrs.evolve(row, delivery_id=update.delivery_id or row.delivery_id)
    else:
        # What has certainly not arrived has a key that is as good as new.
        row = attrs.evolve(row, state=OutboxState.PENDING, first_sent_at=None, account=None)
    if update.again or update.ends_run:  # the relay pauses, and the entry keeps its turn
        return row
    return attrs.evolve(row, due_at=now + max(retry_delay(row.attempts), update.pause or 0.0))


def in_doubt(row: Row, now: float, *, owner: str) -> Row:
    """Give up an entry whose key is too old to be sent again."""
    if row.state is not OutboxState.SENT or row.owner != owner:
        return row
    return attrs.evolve(
        row, state=OutboxState.IN_DOUBT, owner=None, attempts=row.attempts - 1, error=_IN_DOUBT_ERROR, updated_at=now
    )


def observed(row: Row, now: float, *, data: DeliveryWebhookData) -> Row:
    """Decide what follows from a verified event that names an entry's order or delivery."""
    delivery_id = storable(data.delivery_id)
    if row.state in NOT_CONFIRMED:
        row = _created(row, delivery_id, now=now, poll_at=now + LAST_INTERVAL)
    if row.state is not OutboxState.CREATED or row.delivery_id != delivery_id:
        return row  # of another delivery, which somebody ordered by hand
    return with_statuses(row, [data.status], now=now)


def polled(row: Row, now: float, *, statuses: Iterable[str], interval: float) -> Row:
    """Decide what follows from reading a delivery, whose history has these statuses."""
    if row.state in NOT_CONFIRMED:  # its id was in a response that could not be read
        row = _created(row, row.delivery_id, now=now, poll_at=now)
    return with_statuses(attrs.evolve(row, polls=row.polls + 1, poll_at=now + interval), statuses, now=now)


def poll_failed(row: Row, now: float, *, error: KaspiDeliveryError, interval: float) -> Row:
    """Decide when a delivery is read again that could not be read."""
    is_refused = isinstance(error, ApiError) and (
        error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status != HTTPStatus.TOO_MANY_REQUESTS
    )
    wait = max(interval, error.retry_after or 0.0, LONGEST_RETRY if is_refused else 0.0)
    return attrs.evolve(row, polls=row.polls + 1, poll_at=now + wait)


def result_failed(row: Row, now: float) -> Row:
    """Decide when `on_result` is called again after it raised, or after its commit seemed to fail."""
    if row.result_due is None:  # it was committed all the same
        return row
    failures = row.result_failures + 1
    return attrs.evolve(row, result_failures=failures, result_due=now + retry_delay(failures))


def status_failed(row: Row, now: float) -> Row:
    """Decide when `on_status` is called again after it raised, or after its commit seemed to fail."""
    if row.status_due is None:
        return row
    failures = row.status_failures + 1
    return attrs.evolve(row, status_failures=failures, status_due=now + retry_delay(failures))


def with_statuses(row: Row, statuses: Iterable[str | None], *, now: float) -> Row:
    """Take note of statuses, in order; those that are no step forward change nothing."""
    seen = list(row.seen)
    for status in statuses:
        if status is not None and is_news(DeliveryStatus(status), seen=map(DeliveryStatus, seen)):
            seen.append(storable(status))
    row = attrs.evolve(row, seen_at=now)
    if len(seen) > len(row.seen):
        has_ended = is_terminal(DeliveryStatus(seen[-1]))
        row = attrs.evolve(
            row,
            seen=tuple(seen),
            status=seen[-1],
            updated_at=now,
            status_due=now if row.status_due is None else row.status_due,
            poll_at=None if has_ended else row.poll_at,
        )
    return row


def _created(row: Row, delivery_id: str | None, *, now: float, poll_at: float) -> Row:
    if row.state is OutboxState.CREATED:
        return row
    return attrs.evolve(
        row,
        state=OutboxState.CREATED,
        owner=None,
        error=None,
        delivery_id=delivery_id,
        updated_at=now,
        result_due=now,
        poll_at=poll_at,
    )
