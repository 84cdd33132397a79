"""Waiting for what becomes of a delivery, by polling and, where a `StatusHub` brings them, by webhooks.

Both paths are unreliable in their own way: polls see a status late and may miss short ones,
webhooks come late, twice, in any order or not at all. `status.is_news` decides what moves a
delivery on; the API's history fills what was missed.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

import attrs

from kaspi_delivery_async.errors import (
    CertificateError,
    DeliveryCancelledError,
    InvalidRequestError,
    RateLimitedError,
    ServerError,
    TrackingError,
    TransportError,
    WaitTimeoutError,
)
from kaspi_delivery_async.models import Delivery, DeliveryStatus, DeliveryWebhook, DeliveryWebhookData
from kaspi_delivery_async.status import CANCELLABLE, SEQUENCE, is_news, is_reached, is_terminal, place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Iterator
    from datetime import datetime

FIRST_INTERVAL = 2.5
LAST_INTERVAL = 30.0
INTERVAL_GROWTH = 1.5
INTERVAL_JITTER = 0.2
"""Polls are 2 to 2.5 s apart at first and 24 to 30 s in the end, so that many waits do not poll as one."""

LONGEST_SILENCE = 3600.0
"""Seconds after which a delivery is polled even though webhooks of other deliveries keep coming."""


@attrs.frozen(kw_only=True)
class StatusChange:
    """A delivery has come to a status."""

    delivery_id: str
    status: DeliveryStatus
    timestamp: datetime | None = None
    """When it did, as the API tells it; None where it does not."""


class Fetch(Protocol):
    """Asks for a delivery; `DeliveryClient.get_delivery` is one."""

    async def __call__(self, delivery_id: str, *, include_history: bool) -> Delivery:
        """Return the delivery, with its history if asked for."""
        ...


class StatusHub:
    """Brings verified webhook events to those who wait for a delivery, within one event loop.

    Hand every event that a `WebhookVerifier` accepted to `publish`, and give the hub to
    `wait_for_status` or `watch` as ``events``.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Queue[StatusChange]]] = {}
        self.last_heard: float = float("-inf")
        """When the last event came, of whatever delivery, on the loop's clock."""

    def publish(self, event: DeliveryWebhook) -> None:
        """Wake those who wait for the event's delivery. Late and repeated events do no harm."""
        self.announce(event.data)

    def announce(self, data: DeliveryWebhookData) -> None:
        """Publish an event of which only its data are known, such as one that another process received."""
        self.last_heard = asyncio.get_running_loop().time()
        change = StatusChange(delivery_id=data.delivery_id, status=data.status, timestamp=data.timestamp)
        for listener in self._listeners.get(change.delivery_id, ()):
            listener.put_nowait(change)

    @contextmanager
    def listen(self, delivery_id: str) -> Generator[asyncio.Queue[StatusChange], None, None]:
        """Collect the delivery's events in a queue for as long as the context lasts."""
        queue: asyncio.Queue[StatusChange] = asyncio.Queue()
        listeners = self._listeners.setdefault(delivery_id, set())
        listeners.add(queue)
        try:
            yield queue
        finally:
            listeners.discard(queue)
            if not listeners:
                self._listeners.pop(delivery_id, None)


async def wait_for_status(
    fetch: Fetch,
    delivery_id: str,
    status: DeliveryStatus,
    *,
    timeout: float | None = None,
    events: StatusHub | None = None,
    draw: Callable[[], float] = random.random,
) -> Delivery:
    """Wait until a delivery has come to ``status`` or past it, and return it.

    Polls at once, then every 2 s, growing to every 30 s. With ``events`` it wakes as soon as an
    event of the delivery is published, and polls hardly at all while webhooks keep coming; the
    delivery returned then is the one last read, with the status of the event. Failures that may
    pass (no connection, 429, 5xx) are waited out.

    Raises `DeliveryCancelledError` if the delivery is cancelled on the way, `TrackingError` if it
    ends elsewhere, `WaitTimeoutError` after ``timeout`` seconds (None waits for as long as it
    takes), and what ``fetch`` raises for good, such as `NotFoundError`.
    """
    operation = "wait_for_status"
    if not isinstance(status, str):
        raise InvalidRequestError("status", "expected a DeliveryStatus", operation=operation)
    follower = _Follower(fetch, delivery_id, timeout=timeout, events=events, draw=draw, operation=operation)
    async with aclosing(follower.sightings(fill_gaps=False)) as sightings:
        async for changes, delivery in sightings:
            # What a cancelled delivery came to before no longer counts.
            relevant = changes[-1:] if delivery.status == DeliveryStatus.CANCELLED else changes
            if any(is_reached(status, at=change.status) for change in relevant):
                return delivery
    # The sightings end with a terminal status, and that was not the one.
    last = follower.delivery
    if last is not None and last.status == DeliveryStatus.CANCELLED:
        raise DeliveryCancelledError(f"it was cancelled before it came to {status}", delivery=last, operation=operation)
    raise TrackingError(f"it ended without coming to {status}", delivery=last, operation=operation)


async def watch(
    fetch: Fetch,
    delivery_id: str,
    *,
    timeout: float | None = None,
    events: StatusHub | None = None,
    draw: Callable[[], float] = random.random,
) -> AsyncGenerator[StatusChange, None]:
    """Follow a delivery: yield each status once, in order, from the first to a terminal one.

    Polls and wakes as `wait_for_status` does. Where a status was skipped, the API's history fills
    the gap. Raises `WaitTimeoutError` after ``timeout`` seconds, and what ``fetch`` raises for good.
    """
    operation = "watch"
    follower = _Follower(fetch, delivery_id, timeout=timeout, events=events, draw=draw, operation=operation)
    async with aclosing(follower.sightings(fill_gaps=True)) as sightings:
        async for changes, _ in sightings:
            for change in changes:
                yield change


def poll_intervals(draw: Callable[[], float] = random.random) -> Iterator[float]:
    """Yield the seconds between polls, without end; ``draw`` is evenly distributed over [0, 1)."""
    longest = FIRST_INTERVAL
    while True:
        yield longest * (1 - INTERVAL_JITTER * draw())
        longest = min(LAST_INTERVAL, longest * INTERVAL_GROWTH)


def changes_in(delivery: Delivery) -> list[StatusChange]:
    """List what a delivery has been through, its present status last."""
    history = list(delivery.history or ())
    if all(entry.timestamp is not None for entry in history):
        history.sort(key=attrgetter("timestamp"))
    changes = [
        StatusChange(delivery_id=delivery.delivery_id, status=entry.status, timestamp=entry.timestamp)
        for entry in history
    ]
    return [*changes, StatusChange(delivery_id=delivery.delivery_id, status=delivery.status)]


def leaves_gap(status: DeliveryStatus, *, seen: Collection[DeliveryStatus]) -> bool:
    """Whether a delivery may have come to ``status`` through statuses that were not seen, and still would be news."""
    is_cancelled = status == DeliveryStatus.CANCELLED
    passed = CANCELLABLE if is_cancelled else [earlier for earlier in SEQUENCE if is_reached(earlier, at=status)]
    return any(earlier != status and is_news(earlier, seen=seen) for earlier in passed)


class _Follower:
    """Observes one delivery until it ends."""

    def __init__(
        self,
        fetch: Fetch,
        delivery_id: str,
        *,
        timeout: float | None,
        events: StatusHub | None,
        draw: Callable[[], float],
        operation: str,
    ) -> None:
        self.delivery: Delivery | None = None
        """The delivery as far as it is known."""
        self._fetch = fetch
        self._delivery_id = delivery_id
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + _checked_timeout(timeout, operation)
        self._hub = events or StatusHub()
        self._intervals = poll_intervals(draw)
        self._operation = operation
        self._seen: list[DeliveryStatus] = []
        self._last_word = float("-inf")

    async def sightings(self, *, fill_gaps: bool) -> AsyncGenerator[tuple[list[StatusChange], Delivery], None]:
        """Yield what each poll and event brings: the news, and the delivery after them; end after a terminal status.

        With ``fill_gaps``, an event that skips a status is held back until the history was asked for.
        """
        with self._hub.listen(self._delivery_id) as queue:
            held_back: list[StatusChange] = []
            while True:
                polled, pause = await self._poll(next(self._intervals))
                if polled is not None:
                    held_back.sort(key=lambda change: place(change.status))
                    yield self._note(polled, [*changes_in(polled), *held_back])
                    held_back = []
                    if self._has_ended:
                        return
                due = self._clock() + pause
                while (event := await self._event(queue, due=due, pause=pause)) is not None:
                    if self.delivery is None or (fill_gaps and leaves_gap(event.status, seen=self._seen)):
                        held_back.append(event)
                        break
                    yield self._note(self.delivery, [event])
                    if self._has_ended:
                        return
                    due = self._clock() + pause

    async def _poll(self, pause: float) -> tuple[Delivery | None, float]:
        """Ask for the delivery; return it, None after a failure that may pass, and the seconds until the next poll."""
        try:
            async with asyncio.timeout_at(self._deadline):
                delivery = await self._fetch(self._delivery_id, include_history=True)
        except TimeoutError:
            raise self._timed_out() from None
        except CertificateError:
            raise
        except (TransportError, RateLimitedError, ServerError) as error:
            return None, max(pause, error.retry_after or 0.0)
        self._last_word = self._clock()
        return delivery, pause

    async def _event(self, queue: asyncio.Queue[StatusChange], *, due: float, pause: float) -> StatusChange | None:
        """Return the delivery's next event, or None when it is time to poll."""
        while True:
            try:
                async with asyncio.timeout_at(min(due, self._deadline)):
                    change = await queue.get()
            except TimeoutError:
                now = self._clock()
                if now >= self._deadline:
                    raise self._timed_out() from None
                # While other deliveries' webhooks come in, silence about this one means that nothing happened.
                due = min(self._hub.last_heard + pause, self._last_word + LONGEST_SILENCE)
                if due <= now:
                    return None
                pause = next(self._intervals)
            else:
                if is_news(change.status, seen=self._seen):
                    self._last_word = self._clock()
                    return change

    def _note(self, delivery: Delivery, changes: Iterable[StatusChange]) -> tuple[list[StatusChange], Delivery]:
        """Take note of ``changes``; return those that move the delivery on, and the delivery after them."""
        news: list[StatusChange] = []
        for change in changes:
            if is_news(change.status, seen=self._seen):
                self._seen.append(change.status)
                news.append(change)
        # A stale answer tells much that is of use, but its status is no news.
        self.delivery = attrs.evolve(delivery, status=self._seen[-1])
        return news, self.delivery

    @property
    def _has_ended(self) -> bool:
        return self.delivery is not None and is_terminal(self.delivery.status)

    def _timed_out(self) -> WaitTimeoutError:
        last = f"last seen {self.delivery.status}" if self.delivery is not None else "it could not be read"
        return WaitTimeoutError(
            f"the time to wait is over, {last}; the delivery itself goes on",
            delivery=self.delivery,
            operation=self._operation,
        )


def _checked_timeout(timeout: float | None, operation: str) -> float:
    if timeout is None:
        return float("inf")
    if not (isinstance(timeout, int | float) and timeout > 0):
        raise InvalidRequestError("timeout", "must be a positive number of seconds, or None", operation=operation)
    return timeout
