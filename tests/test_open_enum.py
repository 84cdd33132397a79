"""An open enumeration keeps what it does not know, and behaves as text."""

import copy
import json
import pickle
import subprocess
import sys
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async._open_enum import OpenEnum


class Colour(OpenEnum):
    RED = "red"
    GREEN = "green"


VALUES = st.sampled_from(["red", "green", "RED", ""]) | st.text()


@given(VALUES)
def test_a_value_compares_hashes_and_prints_as_its_text(text: str) -> None:
    colour = Colour(text)
    assert colour == text
    assert text == colour
    assert colour.value == text
    assert hash(colour) == hash(text)
    assert str(colour) == f"{colour}" == text
    assert {text: 1}[colour] == 1


@given(VALUES)
def test_a_value_is_known_if_it_is_a_member(text: str) -> None:
    assert Colour(text).is_known == (text in {"red", "green"})


@given(VALUES, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_a_value_pickles_and_copies(text: str, protocol: int) -> None:
    colour = Colour(text)
    unpickled = pickle.loads(pickle.dumps(colour, protocol))
    for twin in (unpickled, copy.copy(colour), copy.deepcopy(colour)):
        assert type(twin) is Colour
        assert twin == colour
        assert (twin is colour) or not colour.is_known


@given(VALUES.filter(lambda text: text.isprintable()))
def test_a_value_round_trips_through_json(text: str) -> None:
    assert Colour(json.loads(json.dumps(Colour(text)))) == Colour(text)
    assert Colour(orjson.loads(orjson.dumps(Colour(text)))) == Colour(text)


def test_a_member_is_itself_by_value_and_by_name() -> None:
    assert Colour("red") is Colour.RED is Colour["RED"]


def test_an_unknown_value_taken_from_another_enumeration_is_plain_text() -> None:
    class Shade(OpenEnum):
        DARK = "dark"

    assert type(Colour(Shade.DARK).value) is str


def test_an_unknown_value_is_not_remembered() -> None:
    assert Colour("mauve") is not Colour("mauve")
    assert list(Colour) == [Colour.RED, Colour.GREEN]


@pytest.mark.parametrize("value", [None, 1, b"red", ["red"], object()])
def test_what_is_not_a_string_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Colour"):
        Colour(value)


def test_the_repr_distinguishes_members_and_unknown_values() -> None:
    assert repr(Colour.RED) == "<Colour.RED: 'red'>"
    assert repr(Colour("mauve")) == "<Colour: 'mauve', unknown>"


def test_the_module_needs_nothing_else_of_the_package() -> None:
    """The generated models rest on it, and everything else rests on them."""
    code = (
        "import sys, types; package = types.ModuleType('kaspi_delivery_async'); "
        "package.__path__ = [sys.argv[1]]; sys.modules['kaspi_delivery_async'] = package; "
        "import kaspi_delivery_async._open_enum; "
        "print([name for name in sys.modules if name.startswith('kaspi_delivery_async.')])"
    )
    folder = sys.modules["kaspi_delivery_async"].__path__[0]
    command = [sys.executable, "-c", code, folder]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['kaspi_delivery_async._open_enum']"
