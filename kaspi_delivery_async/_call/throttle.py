"""How hard an API may be pressed: the rules of concurrency, rate and retry budget, as plain state without waiting.

Concurrency follows additive increase and multiplicative decrease. What makes a window grow is the
*time* that calls take, not their number: a fast server is kept busy by few connections, and every
request under way when its limit is hit comes back as a 429, so a window is only widened where
answers are slow enough for more of them to matter.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._call.retry_budget import FULL_BUDGET, SUCCESS_GAIN

if TYPE_CHECKING:
    from kaspi_delivery_async.options import Limits

FIRST_WINDOW = 6.0
"""Requests under way at first, while nothing is known of the server."""

DOUBLING_TIME = 0.1
"""Seconds of waiting for answers in which a window doubles until the first 429."""

GROWTH_PER_SECOND = 2.0
"""Requests per second of waiting by which a window widens after the first 429."""

PATIENCE = 0.05
"""Seconds without an answer after which a window doubles, until the first 429, if requests wait for their turn."""

PAUSE_WITHOUT_RETRY_AFTER = 0.5
"""Seconds for which a 429 that names no time stops everyone."""

GATE_JITTER = 0.05
"""Share of a pause by which it is stretched at the most, so that several processes do not return as one."""

RATE_SLACK = 0.1
"""Seconds of a stated rate that may be made up for after a timer came late; a longer pause is nobody's credit."""


_FAILURES = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_TOO_MANY_REQUESTS = int(HTTPStatus.TOO_MANY_REQUESTS)


def is_healthy(status: int) -> bool:
    """Whether an answer shows a server that copes: it is no 429 and no failure."""
    return status < _FAILURES and status != _TOO_MANY_REQUESTS


@attrs.define
class Pace:
    """What is known of how much an API takes: one for each API key and host. Times are on the monotonic clock."""

    window: float = FIRST_WINDOW
    """How many requests may be under way at once."""
    probing: bool = True
    """Whether no 429 was seen yet, so that the window may still double."""
    closed_until: float = -math.inf
    """When the pause that a 429 asked for is over."""
    next_slot: float = -math.inf
    """When a stated rate allows the next request."""
    budget: float = FULL_BUDGET
    """Tokens left for retries."""

    def delay(self, now: float, *, under_way: int, limits: Limits) -> float | None:
        """Return the seconds until one more request may leave: 0 at once, None only when another has ended."""
        if under_way + 1 > self.window or under_way + 1 > limits.max_connections:
            return None
        opens = self.closed_until if limits.rate is None else max(self.closed_until, self.next_slot)
        return opens - now if opens > now else 0.0

    def depart(self, now: float, *, rate: float) -> None:
        """Account for a request that leaves under a stated rate."""
        slot = self.next_slot if self.next_slot > now - RATE_SLACK else now
        self.next_slot = slot + 1 / rate

    def succeed(self, duration: float, *, contended: bool, limits: Limits) -> None:
        """Account for an answer that took ``duration`` seconds; ``contended`` if others waited for their turn."""
        if self.budget < FULL_BUDGET:
            self.budget = min(FULL_BUDGET, self.budget + SUCCESS_GAIN)
        if contended:
            # `window` answers arrive per `duration`, so each brings its share of that time's growth.
            growth = math.log(2) / DOUBLING_TIME if self.probing else GROWTH_PER_SECOND / self.window
            self.window = min(limits.max_connections, self.window + min(1.0, growth * duration))

    def lose_patience(self, *, limits: Limits) -> None:
        """Account for `PATIENCE` in which nobody who waits for a turn got one: the server is slow, not overrun."""
        if self.probing:
            self.window = min(limits.max_connections, self.window * 2)

    def throttle(self, now: float, *, retry_after: float | None, draw: float) -> None:
        """Account for a 429: stop everyone, and come back with half the concurrency.

        Answers to requests of the same burst come while the pause already runs; they halve nothing.
        """
        if now >= self.closed_until:
            self.probing = False
            self.window = max(1.0, self.window / 2)
        pause = PAUSE_WITHOUT_RETRY_AFTER if retry_after is None else retry_after
        self.closed_until = max(self.closed_until, now + pause * (1 + GATE_JITTER * draw))

    def affords(self, cost: int) -> bool:
        """Whether the budget pays for a retry."""
        return self.budget >= cost

    def spend(self, cost: int) -> None:
        """Account for a retry."""
        self.budget -= cost
