"""Observes one delivery until it ends: when it is polled, what wakes it, and which failures it outlasts."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from itertools import count
from typing import Protocol

import attrs

from kaspi_delivery_async._tracking.hub import StatusChange, StatusHub
from kaspi_delivery_async._tracking.order import changes_in, leaves_gap
from kaspi_delivery_async._wire.headers import LONGEST_PAUSE
from kaspi_delivery_async.errors import (
    ApiError,
    InvalidRequestError,
    KaspiDeliveryError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnreadableResponseError,
    WaitTimeoutError,
)
from kaspi_delivery_async.models import Delivery, DeliveryStatus
from kaspi_delivery_async.status import is_news, is_terminal

FIRST_INTERVAL = 2.5
LAST_INTERVAL = 30.0
INTERVAL_GROWTH = 1.5
INTERVAL_JITTER = 0.2
"""Polls are 2 to 2.5 s apart at first and 24 to 30 s in the end, so that many waits do not poll as one."""

LONGEST_SILENCE = 3600.0
"""Seconds after which a delivery is polled even though a complete hub keeps receiving webhooks."""

NEW_DELIVERY_PATIENCE = 5.0
"""Seconds for which a delivery that was never read may be unknown to the API, as it may just have been created."""

GATEWAY_PATIENCE = 3600.0
"""Seconds for which responses that are not the API's are waited out, such as a gateway's page during maintenance."""

_NOT_FINAL = frozenset({408, 421, 423, 425, 499})
"""4xx statuses that are no refusal for good (RFC 9110, 15.5; RFC 8470, 5.2; RFC 4918, 11.3)."""


class Fetch(Protocol):
    """A coroutine function that fetches a delivery, such as `DeliveryClient.get_delivery`."""

    async def __call__(self, delivery_id: str, *, include_history: bool) -> Delivery:
        """Return the delivery, with its history if asked for."""
        ...


def poll_intervals(draw: Callable[[], float]) -> Iterator[float]:
    """Return the seconds between polls, without end; ``draw`` is evenly distributed over [0, 1)."""
    return map(functools.partial(poll_interval, draw=draw), count())


def poll_interval(polls: int, draw: Callable[[], float]) -> float:
    """Return the seconds until the next poll after a number of polls; ``draw`` is evenly distributed over [0, 1)."""
    longest = min(LAST_INTERVAL, FIRST_INTERVAL * INTERVAL_GROWTH ** min(polls, 20))
    return longest * (1 - INTERVAL_JITTER * draw())


class Follower:
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
        if events is not None and not isinstance(events, StatusHub):
            raise InvalidRequestError("events", "expected a StatusHub, or None", operation=operation)
        self.delivery: Delivery | None = None
        """The delivery as far as it is known."""
        self._fetch = fetch
        self._delivery_id = delivery_id
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._deadline = self._start + _checked_timeout(timeout, operation)
        self._hub = events or StatusHub()
        self._intervals = poll_intervals(draw)
        self._longest_quiet = LAST_INTERVAL * (1 - INTERVAL_JITTER * draw())
        self._operation = operation
        self._seen: list[DeliveryStatus] = []
        self._last_read = float("-inf")
        """When the delivery was read last, from the start of the request."""
        self._strange_since: float | None = None
        """Since when all responses were not the API's."""

    async def sightings(self, *, fill_gaps: bool) -> AsyncGenerator[tuple[list[StatusChange], Delivery], None]:
        """Yield the news of each poll and event, and the delivery after them; end after a terminal status.

        With ``fill_gaps``, an event that skips a status is held back until the history was asked for.
        """
        with self._hub.listen(self._delivery_id) as queue:
            held_back: list[StatusChange] = []
            while True:
                polled, pause = await self._poll(next(self._intervals))
                if polled is not None:
                    yield self._note(polled, changes_in(polled, held_back))
                    held_back = []
                    if self._has_ended:
                        return
                due = self._clock() + pause
                while (event := await self._event(queue, due=due)) is not None:
                    if self.delivery is None or (fill_gaps and leaves_gap(event.status, seen=self._seen)):
                        held_back.append(event)
                        break
                    yield self._note(self.delivery, [event])
                    if self._has_ended:
                        return

    async def _poll(self, pause: float) -> tuple[Delivery | None, float]:
        """Fetch the delivery; return it, None after a failure that may pass, and the seconds until the next poll."""
        start = self._clock()
        try:
            async with asyncio.timeout_at(self._deadline):
                delivery = await self._fetch(self._delivery_id, include_history=True)
        except TimeoutError:
            raise self._timeout_error() from None
        except KaspiDeliveryError as error:
            if not self._may_pass(error):
                raise
            return None, max(pause, min(error.retry_after or 0.0, LONGEST_PAUSE))
        self._last_read = start
        self._strange_since = None
        return delivery, pause

    def _may_pass(self, error: KaspiDeliveryError) -> bool:
        if isinstance(error, TransportError):
            return error.retryable
        if isinstance(error, RateLimitedError | ServerError):
            return True
        if isinstance(error, ApiError) and error.status in _NOT_FINAL:
            return True
        if self.delivery is None:
            return isinstance(error, NotFoundError) and self._clock() - self._start < NEW_DELIVERY_PATIENCE
        # The delivery was read before, so key and address are right.
        if not isinstance(error, UnreadableResponseError) and not (isinstance(error, ApiError) and error.code is None):
            return False
        self._strange_since = self._strange_since if self._strange_since is not None else self._clock()
        return self._clock() - self._strange_since < GATEWAY_PATIENCE

    async def _event(self, queue: asyncio.Queue[StatusChange], *, due: float) -> StatusChange | None:
        """Return the delivery's next event, or None when it is time to poll."""
        while True:
            try:
                async with asyncio.timeout_at(min(due, self._deadline)):
                    change = await queue.get()
            except TimeoutError:
                now = self._clock()
                if now >= self._deadline:
                    raise self._timeout_error() from None
                due = self._quiet_until()
                if due <= now:
                    return None
            else:
                if is_news(change.status, seen=self._seen):
                    return change

    def _quiet_until(self) -> float:
        """Return until when silence means that nothing happened: a complete hub keeps receiving other events."""
        if not self._hub.is_complete_since(self._last_read):
            return float("-inf")
        return min(self._hub.last_event_at + self._longest_quiet, self._last_read + LONGEST_SILENCE)

    def _note(self, delivery: Delivery, changes: Iterable[StatusChange]) -> tuple[list[StatusChange], Delivery]:
        """Take note of ``changes``; return those that are news, and the delivery after them."""
        news: list[StatusChange] = []
        for change in changes:
            if is_news(change.status, seen=self._seen):
                self._seen.append(change.status)
                news.append(change)
        # The status of a stale response is no news, but the rest of it may be.
        self.delivery = attrs.evolve(delivery, status=self._seen[-1])
        return news, self.delivery

    @property
    def _has_ended(self) -> bool:
        return self.delivery is not None and is_terminal(self.delivery.status)

    def _timeout_error(self) -> WaitTimeoutError:
        last = f"last seen {self.delivery.status}" if self.delivery is not None else "it could not be read"
        return WaitTimeoutError(
            f"timed out ({last}); the delivery itself is not affected",
            delivery=self.delivery,
            operation=self._operation,
        )


def _checked_timeout(timeout: float | None, operation: str) -> float:
    if timeout is None:
        return float("inf")
    if isinstance(timeout, bool) or not (isinstance(timeout, int | float) and timeout > 0):
        raise InvalidRequestError("timeout", "must be a positive number of seconds, or None", operation=operation)
    return timeout
