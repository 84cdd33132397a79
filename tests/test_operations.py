"""Operations: what each request looks like, and which keys and ids are refused."""

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    InvalidRequestError,
    KaspiDeliveryError,
    Outcome,
    UnreadableResponseError,
    WebhookEventType,
    operations,
)
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async.models import Delivery
from tests.support.orders import changed, order

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)


def test_create_delivery_is_the_documented_request() -> None:
    operation = operations.create_delivery(order())
    assert (operation.method, operation.path) == ("POST", "/v1/deliveries")
    assert operation.headers == {"Content-Type": "application/json", "Idempotency-Key": "order-742"}
    assert operation.body is not None
    assert json.loads(operation.body)["parcel"] == {"description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000}


def test_get_delivery_asks_for_history_on_request() -> None:
    assert operations.get_delivery("dlv_1").path == "/v1/deliveries/dlv_1"
    operation = operations.get_delivery("dlv_1", include_history=True)
    assert (operation.method, operation.path) == ("GET", "/v1/deliveries/dlv_1?includeHistory=true")
    assert operation.body is None


def test_a_parameter_of_a_wrong_type_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match="include_history: expected a boolean") as caught:
        operations.get_delivery("dlv_1", include_history="yes")  # type: ignore[arg-type]
    assert caught.value.operation == "get_delivery"


def test_cancel_delivery_carries_its_reason_and_key() -> None:
    operation = operations.cancel_delivery("dlv_1", "changed my mind")
    assert (operation.method, operation.path) == ("POST", "/v1/deliveries/dlv_1/cancel")
    assert operation.body == b'{"reason":"changed my mind"}'
    assert operation.idempotency_key == "dlv_1-cancel"
    assert operations.cancel_delivery("dlv_1").body == b"{}"


def test_send_test_webhook_carries_no_key() -> None:
    operation = operations.send_test_webhook("https://shop.kz/hook", WebhookEventType.DELIVERY_CREATED)
    assert (operation.method, operation.path) == ("POST", "/v1/webhooks/test")
    assert operation.body == b'{"url":"https://shop.kz/hook","type":"delivery.created"}'
    assert operation.idempotency_key is None
    assert not operation.repeatable


@given(VISIBLE)
def test_an_order_id_that_a_header_can_carry_is_the_key(order_id: str) -> None:
    assert operations.create_delivery(order(order_id)).idempotency_key == order_id


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(canonical_order_id))
def test_every_order_id_gives_a_key_that_a_header_can_carry(order_id: str) -> None:
    key = operations.create_delivery(order(order_id)).idempotency_key
    assert key is not None
    assert re.fullmatch(r"[\x21-\x7e]{1,128}", key)


def test_a_cyrillic_or_overlong_order_id_gives_its_digest() -> None:
    for order_id in ("заказ-742", "x" * 129, "two words"):
        key = operations.create_delivery(order(order_id)).idempotency_key
        assert key == "order-" + hashlib.sha256(order_id.encode()).hexdigest()


def test_an_overlong_delivery_id_gives_a_cancel_key_from_its_digest() -> None:
    key = operations.cancel_delivery("d" * 125).idempotency_key
    assert key == "cancel-" + hashlib.sha256(b"d" * 125).hexdigest()


def test_a_callers_key_is_sent_as_it_is() -> None:
    assert operations.create_delivery(order(), "mine").idempotency_key == "mine"
    assert operations.cancel_delivery("dlv_1", idempotency_key="mine").idempotency_key == "mine"


@pytest.mark.parametrize("key", ["", " ", "a b", "ключ", "a\r\nX-Evil: 1", "x" * 129, "tab\t", "\x7f", 7, b"bytes"])
def test_a_key_that_no_header_can_carry_is_refused(key: str) -> None:
    for make in (
        lambda: operations.create_delivery(order(), key),
        lambda: operations.cancel_delivery("dlv_1", None, key),
    ):
        with pytest.raises(InvalidRequestError, match="idempotency_key: must be 1 to 128 visible ASCII") as caught:
            make()
        assert caught.value.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize(
    "delivery_id", ["", ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%2fb", "a b", "a\r\nb", "идентификатор", 7, None]
)
def test_a_delivery_id_that_would_address_something_else_is_refused(delivery_id: str) -> None:
    for make in (operations.get_delivery, operations.cancel_delivery):
        with pytest.raises(InvalidRequestError, match="delivery_id: ") as caught:
            make(delivery_id)
        assert caught.value.path == "delivery_id"
        assert caught.value.operation is not None


@given(VISIBLE)
def test_an_accepted_delivery_id_is_one_segment_of_the_path(delivery_id: str) -> None:
    try:
        path = operations.get_delivery(delivery_id).path
    except InvalidRequestError:
        assert set(delivery_id) & set("/\\?#%") or delivery_id in {".", ".."}
    else:
        assert re.fullmatch(r"/v1/deliveries/[A-Za-z0-9._~%-]+", path)


def test_an_order_without_its_id_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"create_delivery: \$.externalOrderId: must not be empty"):
        operations.create_delivery(order(""))


def test_a_wrong_field_is_refused_and_the_operation_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"create_delivery: \$.parcel: expected Parcel, got null"):
        operations.create_delivery(changed(order(), parcel=None))
    with pytest.raises(InvalidRequestError, match=r"create_delivery: \$: expected DeliveryRequest, got dict"):
        operations.create_delivery({"externalOrderId": "order-742"})  # type: ignore[arg-type]


def test_a_reason_that_is_no_text_is_refused_and_the_operation_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"^cancel_delivery: \$\.reason: expected a string, got a number$"):
        operations.cancel_delivery("dlv_1", 7)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["", "shop.kz/hook", "ftp://shop.kz", "https://", "https://a b", "http://[::1", "x\n"])
def test_a_webhook_address_must_be_a_web_address(url: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"send_test_webhook: \$.url: expected an absolute http"):
        operations.send_test_webhook(url, "delivery.created")


@pytest.mark.parametrize("event_type", ["", None, 7])
def test_an_event_type_must_be_a_text(event_type: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"\$.type: expected an event type"):
        operations.send_test_webhook("https://shop.kz", event_type)


def test_a_repr_shows_neither_body_nor_headers() -> None:
    assert "Satpayev" not in repr(operations.create_delivery(order()))


def test_a_response_is_read_without_any_client() -> None:
    operation = operations.get_delivery("dlv_1")
    delivery = operation.parse(200, {}, b'{"deliveryId": "dlv_1", "status": "delivered"}')
    assert delivery == Delivery(delivery_id="dlv_1", status=delivery.status)


@pytest.mark.parametrize(
    ("body", "delivery_id"),
    [
        (b'{"deliveryId": "dlv_1", "status": 5}', "dlv_1"),
        (b'{"deliveryId" : "dlv_1", "sta', "dlv_1"),
        (b"<html>", None),
        (b'{"deliveryId": 7}', None),
    ],
)
def test_an_unreadable_success_keeps_its_body_and_finds_the_id(body: bytes, delivery_id: str | None) -> None:
    """A courier may be on the way, so a success that cannot be read must not look like a failed create."""
    with pytest.raises(UnreadableResponseError, match="probably carried out") as caught:
        operations.create_delivery(order()).parse(201, {}, body)
    error = caught.value
    assert (error.outcome, error.body, error.delivery_id) == (Outcome.UNKNOWN, body, delivery_id)


def test_of_an_unreadable_body_64_kib_are_kept() -> None:
    with pytest.raises(UnreadableResponseError) as caught:
        operations.get_delivery("dlv_1").parse(200, {}, b"x" * 100_000)
    assert caught.value.body == b"x" * 65_536


@given(st.integers(100, 599), st.dictionaries(st.text(), st.text()), st.binary(max_size=200))
def test_parse_gives_a_value_or_an_error_of_this_package(status: int, headers: dict[str, str], body: bytes) -> None:
    operation = operations.get_delivery("dlv_1")
    try:
        operation.parse(status, headers, body)
    except KaspiDeliveryError as error:
        assert error.operation == "get_delivery"
