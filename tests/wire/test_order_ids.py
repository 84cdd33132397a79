"""The identity of an order: ids that look the same are one order, whatever they are made of."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import InvalidRequestError, operations
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from tests.support.orders import order

INVISIBLE = [
    "\u200b",  # zero width space, a format character
    "\N{BOM}",
    "\u202e",  # a change of direction
    "\xad",  # soft hyphen
    "\x00",
    "\x7f",
    "\u034f",  # combining grapheme joiner, a mark
    "\ufe0f",  # variation selector
    "\U000e0041",  # tag
    "\u2065",  # not assigned, ignorable
    "\U0001d159",  # a note without a head, a symbol
    "\uffff",  # noncharacter
]
BLANKS = [" ", "\t", "\n", "\xa0", "\u2003", "\u3000", "\u2028", "\u2800", "\u3164", "\uffa0"]


@pytest.mark.parametrize("extra", [*INVISIBLE, *BLANKS], ids=lambda extra: f"{ord(extra[0]):x}")
def test_nothing_that_is_not_seen_makes_another_order(extra: str) -> None:
    expected = operations.create_delivery(order("A-1"))
    for order_id in (
        f"{extra}A-1",
        f"A-1{extra}",
        f"{extra} A-1 {extra}",
        *([f"A{extra}-1"] if extra in INVISIBLE else []),
    ):
        assert operations.create_delivery(order(order_id)) == expected


@pytest.mark.parametrize("blank", BLANKS, ids=lambda blank: f"{ord(blank[0]):x}")
def test_blanks_inside_are_one_space(blank: str) -> None:
    assert canonical_order_id(f"A{blank}{blank}1") == "A 1"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_letters_are_one_order(form: str) -> None:
    """A Mac writes names of files in the decomposed form."""
    order_id = unicodedata.normalize(form, "Зай-7/ё")  # type: ignore[arg-type]
    assert operations.create_delivery(order(order_id)) == operations.create_delivery(order("Зай-7/ё"))


@pytest.mark.parametrize(
    ("one", "other"), [("A-1", "А-1"), ("A-1", "a-1"), ("①", "1"), ("A1", "A 1"), ("5", "\u06055")]
)
def test_ids_that_look_different_are_different_orders(one: str, other: str) -> None:
    assert canonical_order_id(one) != canonical_order_id(other)


@pytest.mark.parametrize("order_id", ["", " ", "\u200b", "\u3164\xa0", "\x00"])
def test_an_id_of_which_nothing_is_seen_is_refused(order_id: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"\$\.externalOrderId: must not be empty or blank") as caught:
        operations.create_delivery(order(order_id))
    assert caught.value.path == "$.externalOrderId"


ids = st.text(st.characters(codec="utf-8") | st.sampled_from([*INVISIBLE, *BLANKS, "\u0301", "e", "Й"]))


@given(ids)
def test_the_canonical_form_is_its_own(order_id: str) -> None:
    canonical = canonical_order_id(order_id)
    assert canonical_order_id(canonical) == canonical
    assert canonical == canonical.strip()


@given(ids, st.sampled_from(["NFC", "NFD"]), st.sampled_from(INVISIBLE), st.sampled_from(BLANKS))
def test_every_form_of_an_id_is_the_same_order(order_id: str, form: str, invisible: str, blank: str) -> None:
    other = unicodedata.normalize(form, blank + order_id) + invisible + blank  # type: ignore[arg-type]
    assert canonical_order_id(other) == canonical_order_id(order_id)
