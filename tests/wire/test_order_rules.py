"""What an order must hold beside the right types."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryRequest, InvalidRequestError, operations
from kaspi_delivery_async._wire.order_rules import _is_plainly_right, _problems
from kaspi_delivery_async._wire.text import is_blank
from kaspi_delivery_async.models import checked_order, from_dict, to_dict
from tests.support.orders import order

REQUIRED_TEXTS = [
    f"$.{side}.{field}" for side in ("pickup", "dropoff") for field in ("address", "contact.name", "contact.phone")
] + ["$.externalOrderId", "$.parcel.description"]


def order_with(path: str, value: object) -> DeliveryRequest:
    values: dict[str, Any] = to_dict(order())
    *parents, name = path.removeprefix("$.").split(".")
    part = values
    for parent in parents:
        part = part[parent]
    part[name] = value
    return from_dict(DeliveryRequest, values)


@pytest.mark.parametrize(
    "blank", ["", " ", "\t", "\xa0", "\u200b", "\u3164"], ids=["empty", "20", "9", "a0", "200b", "3164"]
)
@pytest.mark.parametrize("path", REQUIRED_TEXTS)
def test_a_required_text_must_not_be_blank(path: str, blank: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"create_delivery: .*: must not be empty or blank$") as caught:
        operations.create_delivery(order_with(path, blank))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "phone", ["8,7010E+10", "8.7010E+10", "8,701e10", "+7,701E+10", " 8E+10 ", "7,7E-5", "8,7010Е+10", "8.e+10"]
)
@pytest.mark.parametrize("side", ["pickup", "dropoff"])
def test_a_phone_that_a_spreadsheet_has_rounded_is_refused(side: str, phone: str) -> None:
    path = f"$.{side}.contact.phone"
    with pytest.raises(InvalidRequestError, match="rounded") as caught:
        operations.create_delivery(order_with(path, phone))
    assert caught.value.path == path


@pytest.mark.parametrize(
    "phone", ["+7 701 000 0000", "87010000000", "8(701)000-00-00 ext 5", "8.701.000.00.00", "доб. 12", "тел: 8701", "E"]
)
def test_other_phones_pass_as_they_are(phone: str) -> None:
    assert checked_order(order_with("$.pickup.contact.phone", phone)).pickup.contact.phone == phone


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("$.parcel.weightGrams", 0, "at least 1 gram"),
        ("$.parcel.weightGrams", -5, "at least 1 gram"),
        ("$.parcel.valueKzt", -1, "must not be negative"),
    ],
)
def test_impossible_numbers_are_refused(path: str, value: int, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        operations.create_delivery(order_with(path, value))
    assert caught.value.path == path


def test_the_smallest_weight_and_no_value_pass() -> None:
    assert checked_order(order_with("$.parcel.weightGrams", 1)).parcel.weight_grams == 1
    assert checked_order(order_with("$.parcel.valueKzt", 0)).parcel.value_kzt == 0


def test_all_wrong_fields_are_named() -> None:
    values = to_dict(order())
    values["parcel"] = {"description": " ", "weightGrams": 0, "valueKzt": -1}
    with pytest.raises(InvalidRequestError) as caught:
        checked_order(from_dict(DeliveryRequest, values))
    paths = [path for path, _ in caught.value.problems]
    assert paths == ["$.parcel.description", "$.parcel.weightGrams", "$.parcel.valueKzt"]
    assert all(path in str(caught.value) for path in paths)


def test_a_checked_order_is_the_one_that_is_sent() -> None:
    assert checked_order(order()) is not None
    assert checked_order(order(" order-742\u200b")) == order("order-742")


texts = st.text(st.characters(codec="utf-8")) | st.sampled_from(["", " ", "8,7E+10", "8e5", "\u200b", "+7 701", "Абай"])
numbers = st.integers(-2, 2)


@given(st.lists(texts, min_size=8, max_size=8), numbers, numbers)
def test_the_short_test_agrees_with_the_rules(parts: list[str], weight: int, value: int) -> None:
    order_id, *rest, description = parts
    contact, other = ({"name": rest[at], "phone": rest[at + 1]} for at in (0, 2))
    values = {
        "externalOrderId": order_id,
        "pickup": {"address": rest[4], "contact": contact},
        "dropoff": {"address": rest[5], "contact": other},
        "parcel": {"description": description, "weightGrams": weight, "valueKzt": value},
    }
    problems = dict(_problems(values))
    if _is_plainly_right(values):
        assert problems == {}
    assert ("$.externalOrderId" in problems) == is_blank(order_id)
    assert ("$.parcel.weightGrams" in problems) == (weight < 1)
