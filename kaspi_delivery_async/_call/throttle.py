"""Adaptive concurrency limit (AIMD) and request rate for one API key and host; state only, no waiting.

Concurrency follows additive increase and multiplicative decrease. What makes a window grow is the
*time* that calls take, not their number: a fast server is kept busy by few connections, and every
request in flight when its limit is hit comes back as a 429, so a window is only widened where
responses are slow enough for more of them to matter.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._call.retry_budget import FULL_BUDGET, RetryBudget
from kaspi_delivery_async._wire.headers import LONGEST_PAUSE

if TYPE_CHECKING:
    from kaspi_delivery_async.options import Limits

FIRST_WINDOW = 6.0
"""Concurrent requests at first, while nothing is known of the server."""

DOUBLING_TIME = 0.1
"""Seconds of waiting for responses in which a window doubles until the first 429."""

GROWTH_PER_SECOND = 2.0
"""Requests per second of waiting by which a window widens after the first 429."""

PATIENCE = 0.05
"""Seconds without a response after which a window doubles, until the first 429, if requests are queued."""

PAUSE_WITHOUT_RETRY_AFTER = 0.5
"""Seconds for which a 429 that names no time stops everyone."""

PROBED_PAUSE = 60.0
"""Seconds of a pause after which one request goes alone, to find out whether the pause is over."""

PAUSE_JITTER = 0.05
"""Largest share of a pause by which it is stretched, so that several processes do not return as one."""

RATE_SLACK = 0.1
"""Seconds of a stated rate that may be made up for after a timer came late; a longer pause earns no credit."""


_FAILURES = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_TOO_MANY_REQUESTS = int(HTTPStatus.TOO_MANY_REQUESTS)


def is_healthy(status: int) -> bool:
    """Whether a response shows a server that copes: it is no 429 and no failure."""
    return status < _FAILURES and status != _TOO_MANY_REQUESTS


@attrs.define
class Throttle:
    """What is known of how much an API takes: one for each API key and host. Times are on the monotonic clock."""

    window: float = FIRST_WINDOW
    """How many requests may be in flight."""
    probing: bool = True
    """Whether no 429 was seen yet, so that the window may still double."""
    paused_until: float = -math.inf
    """When the pause that a 429 asked for is over."""
    one_at_a_time: bool = False
    """Whether a long pause was asked for, and no response has shown yet that it is over."""
    next_slot: float = -math.inf
    """When a stated rate allows the next request."""
    budget: RetryBudget = attrs.field(factory=RetryBudget)
    """Pays for retries."""

    def delay(self, now: float, in_flight: int, limits: Limits) -> float | None:
        """Return the seconds until one more request may leave: 0 at once, None only when another has ended."""
        if in_flight + 1 > self.window or in_flight + 1 > limits.max_connections:
            return None
        if self.one_at_a_time and in_flight:
            return None
        opens = self.paused_until if limits.rate is None else max(self.paused_until, self.next_slot)
        return opens - now if opens > now else 0.0

    def depart(self, now: float, *, rate: float) -> None:
        """Account for a request that leaves under a stated rate."""
        slot = self.next_slot if self.next_slot > now - RATE_SLACK else now
        self.next_slot = slot + 1 / rate

    def succeed(self, duration: float, *, contended: bool, limits: Limits) -> None:
        """Account for a response that took ``duration`` seconds; ``contended`` if other requests were queued."""
        if self.budget.tokens < FULL_BUDGET:
            self.budget.earn()
        if contended:
            # `window` responses arrive per `duration`, so each brings its share of that time's growth.
            growth = math.log(2) / DOUBLING_TIME if self.probing else GROWTH_PER_SECOND / self.window
            self.window = min(limits.max_connections, self.window + min(1.0, growth * duration))

    def resume(self, now: float) -> None:
        """Account for a response that shows that a long pause is over, unless it came while the pause still ran."""
        if now >= self.paused_until:
            self.one_at_a_time = False

    def widen_after_stall(self, *, limits: Limits) -> None:
        """Double the window: no response arrived for `PATIENCE` seconds although requests are queued.

        So the server is slow rather than overloaded.
        """
        if self.probing:
            self.window = min(limits.max_connections, self.window * 2)

    def throttle(self, now: float, *, retry_after: float | None, draw: float) -> None:
        """Account for a 429: stop everyone, and come back with half the concurrency.

        Responses to requests of the same burst come while the pause already runs; they halve nothing.
        """
        if now >= self.paused_until:
            self.probing = False
            self.window = max(1.0, self.window / 2)
        pause = PAUSE_WITHOUT_RETRY_AFTER if retry_after is None else min(retry_after, LONGEST_PAUSE)
        if pause >= PROBED_PAUSE:
            self.one_at_a_time = True
        self.paused_until = max(self.paused_until, now + pause * (1 + PAUSE_JITTER * draw))
