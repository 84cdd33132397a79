"""What is done about an order: every decision, over plain data."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    CertificateError,
    ConfigurationError,
    DeadlineExceededError,
    IdempotencyConflictError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
    UnreadableResponseError,
)
from kaspi_delivery_async.bulk import Line, OrderState
from kaspi_delivery_async.bulk.decisions import (
    CLOCK_TOLERANCE,
    Known,
    Step,
    is_young,
    next_step,
    put_back,
    update_after_error,
)
from kaspi_delivery_async.bulk.order import UNFINISHED, prepare
from tests.support.orders import order

NOW = 1_700_000_000.0
HOUR = 3600.0
ORDER = prepare(Line(place="line 2", order=order()))
KNOWN = Known(
    state=OrderState.SENT,
    fingerprint=ORDER.fingerprint,
    run_id="earlier",
    place="line 2",
    leased=False,
    sent_at=NOW - HOUR,
    delivery_id=None,
    tracking_url=None,
    error=None,
)


def step(**changes: object) -> Step:
    return next_step(ORDER, attrs.evolve(KNOWN, **changes), run_id="this", account=None, now=NOW)  # type: ignore[arg-type]


def test_an_unknown_order_is_sent() -> None:
    assert next_step(ORDER, None, run_id="this", account=None, now=NOW) is Step.SEND


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Step.SEND),
        ({"state": "pending", "sent_at": None}, Step.SEND),
        ({"state": "failed", "sent_at": None}, Step.SEND),
        ({"leased": True}, Step.WAIT),
        ({"state": "created"}, Step.KNOWN),
        ({"state": "rejected"}, Step.KNOWN),
        ({"state": "in_doubt", "sent_at": NOW - 30 * HOUR}, Step.KNOWN),
        ({"sent_at": NOW - 23 * HOUR}, Step.DOUBT),
        ({"sent_at": NOW - 23 * HOUR + 1}, Step.SEND),
        ({"sent_at": NOW + CLOCK_TOLERANCE + 1}, Step.DOUBT),
        ({"fingerprint": "other"}, Step.CHANGED),
        ({"fingerprint": "other", "state": "created"}, Step.CHANGED),
        ({"run_id": "this", "place": "line 1"}, Step.DUPLICATE),
        ({"run_id": "this", "place": "line 1", "fingerprint": "other"}, Step.DUPLICATE),
        ({"run_id": "this"}, Step.SEND),
    ],
)
def test_a_known_order(changes: dict[str, object], expected: Step) -> None:
    assert step(**changes) is expected


@given(
    state=st.sampled_from(OrderState),
    sent_at=st.none() | st.floats(0, 2 * NOW),
    leased=st.booleans(),
    fingerprint=st.sampled_from([ORDER.fingerprint, "other"]),
    run=st.sampled_from(["this", "earlier"]),
    place=st.sampled_from(["line 1", "line 2"]),
)
def test_nothing_is_sent_that_might_act_twice(
    state: OrderState, sent_at: float | None, leased: bool, fingerprint: str, run: str, place: str
) -> None:
    """An order is sent again only unfinished, unchanged, in nobody else's hands, and under a young key."""
    if step(state=state, sent_at=sent_at, leased=leased, fingerprint=fingerprint, run=run, place=place) is Step.SEND:
        assert state in UNFINISHED
        assert fingerprint == ORDER.fingerprint
        assert not leased
        assert is_young(sent_at, now=NOW)
        assert (run, place) != ("this", "line 1")


def api_error(kind: type[ApiError], status: int, **more: object) -> ApiError:
    outcome = Outcome.UNKNOWN if status >= 500 or status < 400 else Outcome.REJECTED
    return kind("no", status=status, outcome=outcome, **more)  # type: ignore[arg-type]


def no_turn(retry_after: float | None) -> DeadlineExceededError:
    return DeadlineExceededError("no turn", retry_after=retry_after)


CONNECTION_REFUSED = TransportError("could not connect")
TIMED_OUT = DeadlineExceededError("no answer", outcome=Outcome.UNKNOWN)
UNREADABLE = UnreadableResponseError("garbage", status=201, body=b"", delivery_id="dlv_1")


@pytest.mark.parametrize(
    ("error", "state", "again"),
    [
        (api_error(BadRequestError, 400), "rejected", False),
        (api_error(IdempotencyConflictError, 409), "rejected", False),
        (CONNECTION_REFUSED, "failed", False),
        (TransportError("broke off", outcome=Outcome.UNKNOWN), "sent", False),
        (api_error(ServerError, 500), "sent", False),
        (api_error(ServerError, 503, retry_after=60.0, replayed=True), "sent", False),
        (UNREADABLE, "sent", False),
        (api_error(RateLimitedError, 429), "pending", True),
        (api_error(RateLimitedError, 429, retry_after=3600.0), "pending", True),
        (api_error(ServerError, 503, retry_after=60.0), "sent", True),
        (no_turn(60.0), "pending", True),
        (no_turn(None), "pending", True),
    ],
)
def test_an_order_that_was_not_answered_as_hoped(error: KaspiDeliveryError, state: str, again: bool) -> None:
    verdict = update_after_error(error, may_have_arrived=False)
    assert (verdict.state, verdict.again, verdict.ends_run) == (state, again, False)
    assert verdict.error == str(error)
    assert verdict.error_type == type(error).__name__


def test_a_call_that_timed_out_after_sending_is_unanswered() -> None:
    TIMED_OUT.attempts = ()
    assert update_after_error(TIMED_OUT, may_have_arrived=False).state is OrderState.SENT


def test_the_id_in_an_unreadable_answer_is_kept() -> None:
    assert update_after_error(UNREADABLE, may_have_arrived=False).delivery_id == "dlv_1"


@pytest.mark.parametrize("error", [api_error(BadRequestError, 400), CONNECTION_REFUSED, no_turn(60.0)])
def test_what_an_earlier_run_may_have_done_is_not_taken_back(error: KaspiDeliveryError) -> None:
    assert update_after_error(error, may_have_arrived=True).state is OrderState.SENT
    assert put_back(may_have_arrived=True).state is OrderState.SENT
    assert put_back(may_have_arrived=False).state is OrderState.PENDING


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (api_error(AuthenticationError, 401), "pending"),
        (api_error(PermissionDeniedError, 403), "pending"),
        (api_error(NotFoundError, 404), "pending"),
        (api_error(ApiError, 302), "sent"),
        (CertificateError("expired"), "pending"),
        (ConfigurationError("closed"), "pending"),
    ],
)
def test_what_is_wrong_with_the_settings_ends_the_run_and_costs_no_order(error: KaspiDeliveryError, state: str) -> None:
    verdict = update_after_error(error, may_have_arrived=False)
    assert (verdict.state, verdict.again, verdict.ends_run) == (state, False, True)
