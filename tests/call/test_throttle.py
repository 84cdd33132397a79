"""The rules of concurrency, rate and retry budget, without waiting for anything."""

import math

from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import Limits
from kaspi_delivery_async._call.retry_budget import FULL_BUDGET
from kaspi_delivery_async._call.throttle import DOUBLING_TIME, FIRST_WINDOW, Throttle, is_healthy

FREE = Limits()


def test_requests_leave_at_once_while_the_window_is_open() -> None:
    throttle = Throttle()
    assert throttle.delay(0, int(FIRST_WINDOW) - 1, FREE) == 0
    assert throttle.delay(0, int(FIRST_WINDOW), FREE) is None
    assert throttle.delay(0, 1, Limits(max_connections=1)) is None


def test_a_429_pauses_everyone_for_as_long_as_it_says() -> None:
    throttle = Throttle()
    throttle.throttle(100, retry_after=10, draw=0)
    assert throttle.delay(100, 0, FREE) == 10
    assert throttle.delay(109.5, 0, FREE) == 0.5
    assert throttle.delay(110, 0, FREE) == 0


def test_jitter_only_lengthens_the_pause() -> None:
    throttle = Throttle()
    throttle.throttle(0, retry_after=10, draw=0.999)
    assert 10 < throttle.paused_until <= 10.5


def test_a_burst_of_429s_halves_the_window_once() -> None:
    throttle = Throttle(window=64)
    throttle.throttle(0, retry_after=1, draw=0)
    throttle.throttle(0.5, retry_after=1, draw=0)
    assert throttle.window == 32
    assert throttle.paused_until == 1.5
    throttle.throttle(2, retry_after=1, draw=0)
    assert throttle.window == 16


def test_the_window_doubles_with_the_time_that_responses_take_until_the_first_429() -> None:
    throttle = Throttle()
    for _ in range(int(FIRST_WINDOW)):
        throttle.succeed(DOUBLING_TIME, contended=True, limits=FREE)
    assert FIRST_WINDOW * 1.5 < throttle.window <= FIRST_WINDOW * 2


def test_after_a_429_the_window_grows_by_two_in_a_second() -> None:
    throttle = Throttle(window=20, probing=False)
    for _ in range(200):  # 20 at once for 10 rounds of 0.1 s
        throttle.succeed(0.1, contended=True, limits=FREE)
    assert 21.5 < throttle.window < 22.5


def test_the_window_does_not_grow_while_nobody_waits() -> None:
    throttle = Throttle()
    throttle.succeed(10, contended=False, limits=FREE)
    assert throttle.window == FIRST_WINDOW


def test_the_window_doubles_while_no_response_comes_until_the_first_429() -> None:
    throttle = Throttle()
    throttle.widen_after_stall(limits=FREE)
    assert throttle.window == 2 * FIRST_WINDOW
    throttle.throttle(0, retry_after=1, draw=0)
    throttle.widen_after_stall(limits=FREE)
    assert throttle.window == FIRST_WINDOW


def test_what_an_idle_time_left_unused_is_nobodys_credit() -> None:
    """Within any second no more than the rate leaves, and the little that a late timer is owed."""
    throttle, limits, now, left = Throttle(), Limits(rate=100), 50.0, list[float]()
    while len(left) < 150:
        delay = throttle.delay(now, 0, limits)
        assert delay is not None
        now += delay
        throttle.depart(now, rate=100)
        left.append(now)
    assert sum(moment < 51 for moment in left) <= 101


def test_a_stated_rate_spaces_requests() -> None:
    throttle, limits = Throttle(), Limits(rate=10)
    left: list[float] = []
    now = 0.0
    while len(left) < 50:
        delay = throttle.delay(now, 0, limits)
        assert delay is not None
        if delay:
            now += delay
        else:
            throttle.depart(now, rate=10)
            left.append(now)
    assert 49 / 10 - 0.11 <= left[-1] <= 49 / 10


@given(st.lists(st.tuples(st.sampled_from(["succeed", "throttle", "spend"]), st.floats(0, 100)), max_size=60))
def test_the_state_stays_within_its_bounds(events: list[tuple[str, float]]) -> None:
    throttle, now = Throttle(), 0.0
    for kind, amount in events:
        now += amount
        if kind == "succeed":
            throttle.succeed(amount, contended=True, limits=FREE)
        elif kind == "throttle":
            throttle.throttle(now, retry_after=amount, draw=0.5)
        elif throttle.budget.affords(5):
            throttle.budget.spend(5)
        assert 1 <= throttle.window <= FREE.max_connections
        assert 0 <= throttle.budget.tokens <= FULL_BUDGET
        assert math.isfinite(throttle.window)


def test_a_429_and_failures_show_a_server_that_does_not_cope() -> None:
    assert [is_healthy(status) for status in (200, 404, 409, 429, 500, 503)] == [True, True, True, False, False, False]
