"""Responses: how `Retry-After` is read, and what an error says."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    ApiError,
    CancelNotAllowedError,
    ConflictError,
    IdempotencyConflictError,
    NotFoundError,
    Operation,
    operations,
)
from kaspi_delivery_async._wire.headers import LONGEST_RETRY_AFTER, is_replay, parse_retry_after
from tests.support.orders import order

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@given(st.integers(0, 10**8))
def test_seconds_are_read(seconds: int) -> None:
    assert parse_retry_after({"Retry-After": str(seconds)}) == seconds


@given(st.integers(-1000, 100_000))
def test_a_date_counts_from_the_servers_own_clock(seconds: int) -> None:
    """This machine's clock may be wrong by hours; the difference of two of the server's times is not."""
    headers = {"Retry-After": date(NOW + timedelta(seconds=seconds)), "Date": date(NOW)}
    assert parse_retry_after(headers) == max(0, seconds)


def test_a_date_without_a_server_clock_counts_from_ours() -> None:
    wait = parse_retry_after({"retry-after": date(datetime.now(UTC) + timedelta(seconds=60))})
    assert wait is not None
    assert 55 < wait <= 60


def test_a_date_without_its_zone_is_taken_for_utc() -> None:
    headers = {"Retry-After": "Sun, 01 Mar 2026 12:00:09 -0000", "Date": date(NOW)}
    assert parse_retry_after(headers) == 9


def test_an_immense_number_stays_finite() -> None:
    assert parse_retry_after({"Retry-After": "9" * 5000}) == LONGEST_RETRY_AFTER


@pytest.mark.parametrize("text", ["", "soon", "-1", "1e3", "inf", "nan", "٣", "Mon, 99 Foo 2026 99:99:99 GMT", "1 2"])
def test_nonsense_is_no_time(text: str) -> None:
    assert parse_retry_after({"Retry-After": text}) is None


@given(st.text())
def test_any_text_is_a_time_or_none(text: str) -> None:
    wait = parse_retry_after({"Retry-After": text})
    assert wait is None or 0 <= wait < float("inf")


@pytest.mark.parametrize(
    ("moment", "pause"),
    [
        (f"{NOW.timestamp() + 90:.0f}", 90),
        (f"{NOW.timestamp() * 1000 + 90_000:.0f}", 90),
        (f"{NOW.timestamp() - 5:.0f}", 0),
        ("9" * 5000, 3600),
        ("1000000000000000", 3600),
        ("7200", 3600),
        (date(NOW + timedelta(days=400)), 3600),
    ],
    ids=["Unix time", "in milliseconds", "past", "immense", "year 33658", "two hours", "a date in 400 days"],
)
def test_a_moment_is_read_as_one_and_an_hour_is_the_longest_pause(moment: str, pause: float) -> None:
    with pytest.raises(ApiError) as caught:
        operations.get_delivery("dlv_1").parse(429, {"Retry-After": moment, "Date": date(NOW)}, b"")
    assert caught.value.retry_after == pause


def test_a_moment_without_a_server_clock_counts_from_ours() -> None:
    with pytest.raises(ApiError) as caught:
        operations.get_delivery("dlv_1").parse(429, {"Retry-After": f"{datetime.now(UTC).timestamp() + 60:.0f}"}, b"")
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 61


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("True", True), ("false", False), ("", False)])
def test_a_replay_is_known_by_its_header(value: str, expected: bool) -> None:
    assert is_replay({"x-idempotent-replay": value}) is expected


def test_an_error_names_the_code_and_keeps_the_servers_words_out_of_its_text() -> None:
    body = b'{"code": "bad_request", "message": "phone +7 701 555 4433 is wrong"}'
    with pytest.raises(ApiError) as caught:
        operations.get_delivery("dlv_1").parse(400, {"Retry-After": "3"}, body)
    error = caught.value
    assert str(error).startswith("get_delivery: HTTP 400 (bad_request): ")
    assert "701" not in str(error)
    assert (error.code, error.message) == ("bad_request", "phone +7 701 555 4433 is wrong")
    assert error.retry_after == 3


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        (operations.get_delivery("dlv_1"), "there is no such delivery"),
        (operations.cancel_delivery("dlv_1"), "there is no such delivery"),
        (operations.create_delivery(order()), "check `base_url`"),
        (operations.send_test_webhook("https://shop.kz", "delivery.created"), "check `base_url`"),
    ],
    ids=["get", "cancel", "create", "test webhook"],
)
def test_a_404_speaks_of_a_delivery_only_where_one_was_named(operation: Operation[object], advice: str) -> None:
    with pytest.raises(NotFoundError, match=f"^{operation.name}: HTTP 404: .*{advice}"):
        operation.parse(404, {}, b"<html>")


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (operations.create_delivery(order()), IdempotencyConflictError),
        (operations.cancel_delivery("dlv_1"), CancelNotAllowedError),
        (operations.get_delivery("dlv_1"), ConflictError),
    ],
    ids=["create", "cancel", "get"],
)
def test_a_409_means_what_its_operation_can_conflict_with(
    operation: Operation[object], kind: type[ConflictError]
) -> None:
    with pytest.raises(ConflictError) as caught:
        operation.parse(409, {}, b'{"code": "conflict"}')
    assert type(caught.value) is kind


@pytest.mark.parametrize("body", [b"[]", b'"conflict"', b"null", b"7"])
def test_an_error_body_that_is_no_object_holds_no_code(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        operations.get_delivery("dlv_1").parse(400, {}, body)
    assert (caught.value.code, caught.value.message) == (None, None)


@pytest.mark.parametrize("code", ['"a b"', '"<script>"', '""', "7", "null", '"' + "x" * 65 + '"'])
def test_a_code_that_is_none_is_not_shown(code: str) -> None:
    with pytest.raises(ApiError, match=r"^get_delivery: HTTP 400: "):
        operations.get_delivery("dlv_1").parse(400, {}, b'{"code": %s}' % code.encode())
