"""The throttle through any order of departures, responses and 429s: what it must never allow."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kaspi_delivery_async._call.throttle import PAUSE_WITHOUT_RETRY_AFTER, PROBED_PAUSE, RATE_SLACK, Throttle
from kaspi_delivery_async.options import Limits

pytestmark = pytest.mark.newest

RATE = 4.0


class ThrottleMachine(RuleBasedStateMachine):
    """Sends requests whenever the throttle allows it, under one limit of connections, with and without a rate."""

    def __init__(self) -> None:
        super().__init__()
        self.throttle = Throttle()
        self.limits = Limits(max_connections=8, rate=RATE)
        self.now = 0.0
        self.in_flight = 0
        self.asked_until = -math.inf
        """Until when a 429 asked to be sent nothing."""
        self.left: list[float] = []

    @rule(seconds=st.floats(0.0, 30.0))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def send(self) -> None:
        delay = self.throttle.delay(self.now, self.in_flight, self.limits)
        if delay is None:
            assert self.in_flight > 0  # or nothing would ever leave again
            return
        self.now += delay
        if self.throttle.delay(self.now, self.in_flight, self.limits):
            self.now += 1e-9  # the sum of two times may fall short of the third
        assert self.now >= self.asked_until
        assert self.in_flight < self.limits.max_connections
        self.throttle.depart(self.now, rate=RATE)
        self.in_flight += 1
        self.left.append(self.now)

    @rule(duration=st.floats(0.0, 10.0), is_contended=st.booleans())
    def succeed(self, duration: float, is_contended: bool) -> None:
        if self.in_flight:
            self.in_flight -= 1
            self.throttle.succeed(duration, contended=is_contended, limits=self.limits)
            self.throttle.resume(self.now)

    @rule(retry_after=st.none() | st.floats(0.0, 300.0), draw=st.floats(0.0, 0.99))
    def throttled(self, retry_after: float | None, draw: float) -> None:
        if self.in_flight:
            self.in_flight -= 1
            window, was_paused = self.throttle.window, self.now < self.throttle.paused_until
            self.throttle.throttle(self.now, retry_after=retry_after, draw=draw)
            seconds = PAUSE_WITHOUT_RETRY_AFTER if retry_after is None else retry_after
            self.asked_until = max(self.asked_until, self.now + seconds)
            assert self.throttle.window == (window if was_paused else max(1.0, window / 2))
            assert self.throttle.one_at_a_time or seconds < PROBED_PAUSE

    @rule()
    def stall(self) -> None:
        was_probing, window = self.throttle.probing, self.throttle.window
        self.throttle.widen_after_stall(limits=self.limits)
        assert self.throttle.window == (min(8, 2 * window) if was_probing else window)

    @invariant()
    def the_rate_holds(self) -> None:
        for first, sent in enumerate(self.left):
            for last in range(first + 1, len(self.left)):
                assert last - first <= (self.left[last] - sent + RATE_SLACK) * RATE + 1.001

    @invariant()
    def the_window_is_within_its_bounds(self) -> None:
        assert 1.0 <= self.throttle.window <= self.limits.max_connections


TestThrottle = ThrottleMachine.TestCase
TestThrottle.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
