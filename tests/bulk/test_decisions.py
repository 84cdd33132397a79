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
from kaspi_delivery_async._exactly_once.decisions import (
    CLOCK_TOLERANCE,
    NOT_FINAL,
    is_young,
    put_back,
    update_after_error,
)
from kaspi_delivery_async._exactly_once.states import UNFINISHED
from kaspi_delivery_async.bulk import Line, OrderState
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.bulk.steps import Known, Step, next_step
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
    account=None,
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
        ({"account": "an account"}, Step.SEND),
        ({"fingerprint": "other"}, Step.CHANGED),
        ({"fingerprint": "other", "state": "created"}, Step.CHANGED),
        ({"run_id": "this", "place": "line 1"}, Step.DUPLICATE),
        ({"run_id": "this", "place": "line 1", "leased": True}, Step.WAIT),
        ({"run_id": "this", "place": "line 1", "leased": True, "state": "created"}, Step.DUPLICATE),
        ({"run_id": "this", "place": "line 1", "fingerprint": "other"}, Step.DUPLICATE),
        ({"run_id": "this"}, Step.SEND),
    ],
)
def test_a_known_order(changes: dict[str, object], expected: Step) -> None:
    assert step(**changes) is expected


@pytest.mark.parametrize(
    ("sent_at", "account", "expected"),
    [
        (NOW - HOUR, "another", Step.OTHER_KEY),
        (NOW - HOUR, "this", Step.SEND),
        (NOW - HOUR, None, Step.SEND),
        (None, "another", Step.SEND),
        (NOW - 23 * HOUR, "another", Step.DOUBT),
    ],
)
def test_what_may_have_arrived_under_another_api_key_is_not_sent_under_this_one(
    sent_at: float | None, account: str | None, expected: Step
) -> None:
    known = attrs.evolve(KNOWN, sent_at=sent_at, account=account)
    assert next_step(ORDER, known, run_id="this run", account="this", now=NOW) is expected


@given(
    state=st.sampled_from(OrderState),
    sent_at=st.none() | st.floats(0, 2 * NOW),
    leased=st.booleans(),
    fingerprint=st.sampled_from([ORDER.fingerprint, "other"]),
    run_id=st.sampled_from(["this", "earlier"]),
    place=st.sampled_from(["line 1", "line 2"]),
    account=st.sampled_from([None, "this", "another"]),
)
def test_nothing_is_sent_that_might_act_twice(
    state: OrderState,
    sent_at: float | None,
    leased: bool,
    fingerprint: str,
    run_id: str,
    place: str,
    account: str | None,
) -> None:
    """An order is sent again only unfinished, unchanged, in no other hands, and under a young key of this account."""
    known = attrs.evolve(
        KNOWN,
        state=state,
        sent_at=sent_at,
        leased=leased,
        fingerprint=fingerprint,
        run_id=run_id,
        place=place,
        account=account,
    )
    if next_step(ORDER, known, run_id="this", account="this", now=NOW) is Step.SEND:
        assert state in UNFINISHED
        assert fingerprint == ORDER.fingerprint
        assert not leased
        assert is_young(sent_at, now=NOW)
        assert (run_id, place) != ("this", "line 1")
        assert sent_at is None or account != "another"


def api_error(kind: type[ApiError], status: int, **more: object) -> ApiError:
    outcome = Outcome.UNKNOWN if status >= 500 or status < 400 else Outcome.REJECTED
    return kind("no", status=status, outcome=outcome, **more)  # type: ignore[arg-type]


def no_turn(retry_after: float | None) -> DeadlineExceededError:
    return DeadlineExceededError("no turn", retry_after=retry_after)


CONNECTION_REFUSED = TransportError("could not connect")
TIMED_OUT = DeadlineExceededError("no response", outcome=Outcome.UNKNOWN)
UNREADABLE = UnreadableResponseError("garbage", status=201, body=b"", delivery_id="dlv_1")


@pytest.mark.parametrize(
    ("error", "state", "again", "pause"),
    [
        (api_error(BadRequestError, 400), "rejected", False, None),
        (api_error(BadRequestError, 400, retry_after=3600.0), "rejected", False, None),
        (api_error(ApiError, 418, retry_after=0.0), "rejected", False, None),
        (api_error(IdempotencyConflictError, 409), "rejected", False, None),
        (CONNECTION_REFUSED, "failed", False, None),
        (TransportError("broke off", outcome=Outcome.UNKNOWN), "sent", False, None),
        (api_error(ServerError, 500), "sent", False, None),
        (api_error(ServerError, 503, retry_after=60.0), "sent", False, 60.0),
        (api_error(ServerError, 503, retry_after=0.0), "sent", False, 0.0),
        (api_error(ServerError, 503, retry_after=60.0, replayed=True), "sent", False, None),
        (UNREADABLE, "sent", False, None),
        (api_error(RateLimitedError, 429), "pending", True, 0.0),
        (api_error(RateLimitedError, 429, retry_after=3600.0), "pending", True, 3600.0),
        (no_turn(60.0), "pending", True, 60.0),
        (no_turn(None), "pending", True, None),
    ],
)
def test_an_order_whose_call_failed(error: KaspiDeliveryError, state: str, again: bool, pause: float | None) -> None:
    update = update_after_error(error, may_have_arrived=False)
    assert (update.state, update.again, update.pause, update.ends_run) == (state, again, pause, False)
    assert update.error == str(error)
    assert update.error_type == type(error).__name__


@pytest.mark.parametrize("status", sorted(NOT_FINAL))
@pytest.mark.parametrize(("outcome", "state"), [(Outcome.REJECTED, "failed"), (Outcome.UNKNOWN, "sent")])
def test_a_status_that_refuses_the_request_and_not_the_order_is_not_final(
    status: int, outcome: Outcome, state: str
) -> None:
    error = ApiError("no", status=status, outcome=outcome, retry_after=5.0)
    update = update_after_error(error, may_have_arrived=False)
    assert (update.state, update.again, update.pause, update.ends_run) == (state, False, 5.0, False)


def test_a_call_that_timed_out_after_sending_stays_open() -> None:
    TIMED_OUT.attempts = ()
    assert update_after_error(TIMED_OUT, may_have_arrived=False).state is OrderState.SENT


def test_the_id_in_an_unreadable_response_is_kept() -> None:
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
        (api_error(ApiError, 405), "pending"),
        (api_error(ApiError, 415), "pending"),
        (CertificateError("expired"), "pending"),
        (ConfigurationError("closed"), "pending"),
    ],
)
def test_what_is_wrong_with_the_settings_ends_the_run_and_costs_no_order(error: KaspiDeliveryError, state: str) -> None:
    update = update_after_error(error, may_have_arrived=False)
    assert (update.state, update.again, update.ends_run) == (state, False, True)
