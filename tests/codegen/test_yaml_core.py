"""YAML is read by the core schema of YAML 1.2, within bounds."""

import time

import pytest
import yaml

from codegen.description.yaml_core import MOST_LEVELS, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("Off", "Off"), ("yes", "yes"), ("y", "y"), ("true", True), ("FALSE", False),
        ("null", None), ("~", None), ("", None), ("017", 17), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"),
        ("190:20:30", "190:20:30"), ("2024-06-11", "2024-06-11"), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5),
        ("-7", -7), ("+7 700", "+7 700"), ("'1'", "1"), ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_the_core_schema_says(text: str, value: object) -> None:
    assert (loaded := load_yaml(f"a: {text}")["a"]) == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize("text", ["no: 1", "on: 1", "200: 1", "null: 1", "1.50: 1", "true: 1", "2024-01-01: 1"])
def test_a_key_is_the_text_that_is_written(text: str) -> None:
    assert list(load_yaml(text)) == [text.partition(":")[0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", "'a' is there twice"),
        ("a: {b: 1, b: 2}", "'b' is there twice"),
        ("a: &a [*a]", "refers to what contains it"),
        ("a: .inf", "no number of JSON"),
        ("a: .nan", "no number of JSON"),
        ("a: " + "[" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1), "levels deep"),
        ("? [a]\n: 1", "a key is no text"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(yaml.YAMLError, match=message):
        load_yaml(text)


def test_aliases_that_multiply_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    start = time.monotonic()
    with pytest.raises(yaml.YAMLError, match="aliases stand for more than"):
        load_yaml("\n".join(lines))
    assert time.monotonic() - start < 1


def test_an_alias_is_read_where_it_stands() -> None:
    assert load_yaml("a: &a {b: 1}\nc: *a") == {"a": {"b": 1}, "c": {"b": 1}}
