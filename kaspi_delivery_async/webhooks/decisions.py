"""Decisions about an event after its handler ran: handled, another attempt, or a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.webhooks.stored_events import EventState, EventUpdate, error_text

if TYPE_CHECKING:
    from kaspi_delivery_async.options import RetryPolicy


def decide(error: BaseException | None, *, attempt: int, policy: RetryPolicy, draw: float) -> EventUpdate:
    """Decide what happens to an event after its ``attempt``-th handling; ``draw`` is evenly distributed over [0, 1).

    The wait before the next attempt is drawn between 0 and ``min(cap, base * 2 ** (attempt - 1))``
    seconds; a message that cannot be read is a dead letter at once.
    """
    if error is None:
        return EventUpdate(state=EventState.HANDLED)
    if attempt >= policy.max_attempts or isinstance(error, WebhookVerificationError):
        return EventUpdate(state=EventState.DEAD, error=error_text(error))
    ceiling = min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 60))
    return EventUpdate(state=EventState.WAITING, delay=ceiling * draw, error=error_text(error))
