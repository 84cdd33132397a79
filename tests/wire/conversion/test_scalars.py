"""Single values of every type are read and written strictly."""

import enum
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import from_dict, to_dict


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    SMALL = 1


@attrs.frozen(kw_only=True)
class Values:
    flag: bool = True
    number: float = 1.5
    day: date = date(2024, 6, 11)
    price: Decimal = Decimal("12.50")
    colour: Colour = Colour.RED
    size: Size = Size.SMALL


PLAIN = {"flag": True, "number": 1.5, "day": "2024-06-11", "price": "12.50", "colour": "red", "size": 1}


def test_each_value_is_read_and_written() -> None:
    assert from_dict(Values, PLAIN) == Values()
    assert to_dict(Values()) == PLAIN


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flag", 1), ("flag", "true"), ("number", "1"), ("number", True), ("number", math.nan), ("day", "2024-02-30"),
        ("day", "20240611"), ("day", 5), ("price", 12.5), ("price", "1e5"), ("price", "NaN"), ("colour", "blue"),
        ("size", True), ("size", "1"), ("size", 2),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_with_its_path(field: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=rf"\$\.{field}"):
        from_dict(Values, PLAIN | {field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flag", 1), ("number", "1"), ("number", math.nan), ("number", math.inf), ("day", "2024-06-11"),
        ("day", datetime(2024, 6, 11, tzinfo=UTC)), ("price", 1.5), ("price", Decimal("NaN")),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_sent_is_refused_with_its_path(field: str, value: Any) -> None:
    wrong: Any = {field: value}
    with pytest.raises(InvalidRequestError, match=rf"\$\.{field}"):
        to_dict(Values(**wrong))


@attrs.frozen(kw_only=True)
class Nullable:
    note: str | None
    more: str | None = None


def test_null_is_sent_where_a_field_is_required_and_left_out_where_it_is_not() -> None:
    assert to_dict(Nullable(note=None)) == {"note": None}
    assert to_dict(Nullable(note="x", more="y")) == {"note": "x", "more": "y"}
    assert from_dict(Nullable, {"note": None}) == Nullable(note=None)


def test_a_required_field_that_may_be_null_must_be_there() -> None:
    with pytest.raises(InvalidRequestError, match="is missing"):
        from_dict(Nullable, {})
