"""The retry decision, in every context that there can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    ApiError,
    CertificateError,
    ConfigurationError,
    KaspiDeliveryError,
    Outcome,
    RetryPolicy,
    TransportError,
)
from kaspi_delivery_async._call.retry import RETRIED_STATUSES, RetryContext, is_worth_repeating, next_wait


def response_of(status: int, *, replayed: bool = False, retry_after: float | None = None) -> ApiError:
    outcome = Outcome.REJECTED if status < 500 else Outcome.UNKNOWN
    return ApiError("no", status=status, outcome=outcome, replayed=replayed, retry_after=retry_after)


def context(
    error: KaspiDeliveryError | None = None,
    *,
    repeatable: bool = True,
    attempt: int = 1,
    key_age: float = 0.0,
    remaining: float = 30.0,
    paused_for: float = 0.0,
    affordable: bool = True,
    policy: RetryPolicy | None = None,
) -> RetryContext:
    return RetryContext(
        error=error or response_of(503),
        repeatable=repeatable,
        attempt=attempt,
        key_age=key_age,
        remaining=remaining,
        paused_for=paused_for,
        affordable=affordable,
        policy=policy or RetryPolicy(),
    )


@given(st.integers(300, 599), st.booleans(), st.booleans())
def test_responses_are_retried_by_status(status: int, repeatable: bool, replayed: bool) -> None:
    expected = repeatable and not replayed and status in {408, 421, 423, 425, 429, 499, 500, 502, 503, 504}
    assert is_worth_repeating(response_of(status, replayed=replayed), repeatable=repeatable) is expected
    assert 409 not in RETRIED_STATUSES


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.UNKNOWN])
@pytest.mark.parametrize("repeatable", [True, False])
def test_a_request_that_may_have_arrived_is_repeated_only_if_that_is_harmless(
    outcome: Outcome, repeatable: bool
) -> None:
    error = TransportError("gone", outcome=outcome)
    assert is_worth_repeating(error, repeatable=repeatable) is (repeatable or outcome is Outcome.NOT_SENT)


@pytest.mark.parametrize("error", [CertificateError("bad"), ConfigurationError("closed")])
def test_what_cannot_get_better_is_not_repeated(error: KaspiDeliveryError) -> None:
    assert not is_worth_repeating(error, repeatable=True)


@given(
    ceiling=st.floats(0, 8),
    draw=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(0, 1e9),
    remaining=st.floats(-1, 1e6),
    key_age=st.floats(0, 1e6),
)
def test_a_wait_is_no_shorter_than_asked_for_and_ends_in_time(
    ceiling: float, draw: float, retry_after: float | None, remaining: float, key_age: float
) -> None:
    now = context(response_of(429, retry_after=retry_after), remaining=remaining, key_age=key_age)
    wait = next_wait(now, ceiling=ceiling, draw=draw)
    floor = retry_after or 0
    if wait is None:
        assert floor + ceiling >= remaining or key_age + floor + ceiling >= 23 * 3600
    else:
        assert floor <= wait <= floor + ceiling
        assert wait < remaining
        assert key_age + wait < 23 * 3600


def test_there_are_no_more_attempts_than_allowed() -> None:
    policy = RetryPolicy(max_attempts=3)
    assert next_wait(context(attempt=2, policy=policy), ceiling=1, draw=0.5) == 0.5
    assert next_wait(context(attempt=3, policy=policy), ceiling=1, draw=0.5) is None


def test_a_pause_of_everyone_that_outlasts_the_call_ends_the_trying() -> None:
    assert next_wait(context(remaining=10, paused_for=9), ceiling=0.5, draw=0.5) is not None
    assert next_wait(context(remaining=10, paused_for=10), ceiling=0.5, draw=0.5) is None


def test_an_empty_budget_ends_the_trying() -> None:
    assert next_wait(context(affordable=False), ceiling=1, draw=0) is None


def test_a_key_that_the_vendor_may_have_forgotten_is_not_sent_again() -> None:
    """After 24 hours the same key would create a second delivery."""
    almost = context(key_age=23 * 3600 - 2, remaining=1e6)
    assert next_wait(almost, ceiling=1, draw=0.5) == 0.5
    assert next_wait(context(key_age=23 * 3600, remaining=1e6), ceiling=1, draw=0.5) is None
