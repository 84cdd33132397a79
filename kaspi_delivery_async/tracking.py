"""Waiting for status changes of a delivery, by polling and, with a `StatusHub`, by webhooks.

Both are unreliable: polls see a status late and may miss short ones, webhooks come late, twice, in any order or not at
all. `status.is_news` decides which of them is a step forward; the API's history fills the gaps.
"""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from kaspi_delivery_async._tracking.follower import Fetch, Follower
from kaspi_delivery_async._tracking.hub import StatusChange, StatusHub
from kaspi_delivery_async.errors import DeliveryCancelledError, InvalidRequestError, TrackingError
from kaspi_delivery_async.models import Delivery, DeliveryStatus
from kaspi_delivery_async.status import is_reached

__all__ = ["Fetch", "StatusChange", "StatusHub", "wait_for_status", "watch"]


async def wait_for_status(
    fetch: Fetch,
    delivery_id: str,
    status: DeliveryStatus,
    *,
    timeout: float | None = None,
    events: StatusHub | None = None,
    draw: Callable[[], float] = random.random,
) -> Delivery:
    """Wait until a delivery has reached ``status`` or gone past it, and return it.

    Polls at once, then every 2 s, growing to every 30 s. With ``events`` it wakes as soon as an event of the delivery
    is published; the delivery returned then is the one last read, with the status of the event. A wait goes on after
    failures that may pass: no connection, 408, 421, 423, 425, 429, 499, 5xx; once the delivery was read, responses that
    are not the API's, for an hour; before that, a 404 for 5 s, as the delivery may be new.

    Raises `InvalidRequestError` for a status that is not known, as it would never be reached;
    `DeliveryCancelledError` if the delivery is cancelled on the way, `TrackingError` if it ends elsewhere,
    `WaitTimeoutError` after ``timeout`` seconds (None waits without a limit), and what ``fetch`` raises for good, such
    as `AuthenticationError`.
    """
    operation = "wait_for_status"
    known = {str(member): member for member in DeliveryStatus}
    goal = known.get(status) if isinstance(status, str) else None
    if goal is None:
        expected = f"expected a DeliveryStatus, one of {', '.join(known)}"
        raise InvalidRequestError("status", expected, operation=operation)
    follower = Follower(fetch, delivery_id, timeout=timeout, events=events, draw=draw, operation=operation)
    async with aclosing(follower.sightings(fill_gaps=False)) as sightings:
        async for changes, delivery in sightings:
            # The statuses before a cancellation no longer count.
            relevant = changes[-1:] if delivery.status == DeliveryStatus.CANCELLED else changes
            if any(is_reached(goal, at=change.status) for change in relevant):
                return delivery
    # The sightings end with a terminal status, and that was not the goal.
    last = follower.delivery
    if last is not None and last.status == DeliveryStatus.CANCELLED:
        raise DeliveryCancelledError(
            f"the delivery was cancelled before reaching {goal}", delivery=last, operation=operation
        )
    raise TrackingError(f"the delivery ended without reaching {goal}", delivery=last, operation=operation)


async def watch(
    fetch: Fetch,
    delivery_id: str,
    *,
    timeout: float | None = None,
    events: StatusHub | None = None,
    draw: Callable[[], float] = random.random,
) -> AsyncGenerator[StatusChange, None]:
    """Follow a delivery: yield each status once, in the order of the state machine, up to a terminal one.

    Polls, wakes and goes on after failures as `wait_for_status` does. If a status was skipped, the API's history fills
    the gap. Raises `WaitTimeoutError` after ``timeout`` seconds, and what ``fetch`` raises for good.
    """
    operation = "watch"
    follower = Follower(fetch, delivery_id, timeout=timeout, events=events, draw=draw, operation=operation)
    async with aclosing(follower.sightings(fill_gaps=True)) as sightings:
        async for changes, _ in sightings:
            for change in changes:
                yield change
