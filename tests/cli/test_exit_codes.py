"""How errors end a command: exit codes and explanations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async.cli.exit_codes import ExitCode, exit_code, explanation
from kaspi_delivery_async.errors import (
    ConfigurationError,
    InvalidRequestError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    RateLimitedError,
    ServerError,
    TransportError,
    UnreadableResponseError,
    WaitTimeoutError,
)


@pytest.mark.parametrize("error", [ConfigurationError("no key"), InvalidRequestError("$.parcel", "is missing")])
def test_what_was_refused_before_sending_is_wrong_usage(error: KaspiDeliveryError) -> None:
    assert exit_code(error) is ExitCode.USAGE


@pytest.mark.parametrize("operation", ["create_delivery", "cancel_delivery"])
def test_a_write_that_may_have_been_done_has_its_own_exit_code(operation: str) -> None:
    assert exit_code(TransportError("cut", operation=operation, outcome=Outcome.UNKNOWN)) is ExitCode.OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        TransportError("cut", operation="get_delivery", outcome=Outcome.UNKNOWN),
        WaitTimeoutError("too late", delivery=None, operation="watch"),
        TransportError("no connection", operation="create_delivery"),
        NotFoundError("404", status=404, outcome=Outcome.REJECTED, operation="cancel_delivery"),
    ],
)
def test_what_changed_nothing_has_failed(error: KaspiDeliveryError) -> None:
    assert exit_code(error) is ExitCode.FAILED


@given(st.sampled_from(Outcome), st.sampled_from(["create_delivery", "cancel_delivery", "send_test_webhook"]))
def test_no_write_of_unknown_outcome_passes_for_failed(outcome: Outcome, operation: str) -> None:
    error = ServerError("500", status=500, outcome=outcome, operation=operation)
    assert (exit_code(error) is ExitCode.OUTCOME_UNKNOWN) == (outcome is Outcome.UNKNOWN)


def test_an_unknown_outcome_says_how_to_repeat_safely() -> None:
    error = TransportError("cut", operation="create_delivery", outcome=Outcome.UNKNOWN)
    error.idempotency_key = "order-742"
    assert "--idempotency-key order-742" in explanation(error)


def test_a_rejection_does_not_suggest_to_repeat() -> None:
    error = NotFoundError("404", status=404, outcome=Outcome.REJECTED, operation="cancel_delivery")
    error.idempotency_key = "dlv_1-cancel"
    assert "dlv_1-cancel" not in explanation(error)


def test_an_unreadable_response_names_the_id_that_was_found_in_it() -> None:
    error = UnreadableResponseError("not JSON", status=201, body=b"{", delivery_id="dlv_1", operation="create_delivery")
    assert "the delivery's id is dlv_1" in explanation(error)


def test_an_unreadable_response_without_an_id_names_none() -> None:
    error = UnreadableResponseError("not JSON", status=201, body=b"{", delivery_id=None, operation="create_delivery")
    assert "id is" not in explanation(error)


def test_a_pause_that_the_api_asked_for_is_reported() -> None:
    error = RateLimitedError("429", status=429, outcome=Outcome.REJECTED, retry_after=30.0)
    assert "wait 30 s before the next request" in explanation(error)
