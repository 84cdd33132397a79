"""What a model turns into satisfies the description, and turns back into an equal model."""

import enum
import json
from datetime import UTC, datetime, timedelta, timezone
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import hypothesis
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from codegen import settings
from codegen.description.read import read
from kaspi_delivery_async import models
from kaspi_delivery_async._open_enum import OpenEnum

DOCUMENT = read(str(settings.DESCRIPTION))
REGISTRY: Registry[Any] = Registry().with_resource("urn:description", DRAFT202012.create_resource(DOCUMENT))
MODELS = [one for one in vars(models).values() if isinstance(one, type) and attrs.has(one)]

TEXT = st.text(st.characters(codec="utf-8"))
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS | st.just(UTC))


def values(hint: Any, *, open_ended: bool) -> st.SearchStrategy[Any]:
    """Make values of a type; with `open_ended`, unknown members of open enumerations, too."""
    if get_origin(hint) is UnionType:
        return st.one_of([values(part, open_ended=open_ended) for part in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0], open_ended=open_ended), max_size=3).map(tuple)
    if attrs.has(hint):
        parts = {name: values(part, open_ended=open_ended) for name, part in get_type_hints(hint).items()}
        if "external_order_id" in parts and hint is models.DeliveryRequest:
            parts["external_order_id"] = st.text(st.characters(codec="utf-8"), min_size=1)
        return st.builds(hint, **parts)
    if issubclass(hint, enum.Enum):
        known = st.sampled_from(hint)
        return known | TEXT.map(hint) if open_ended and issubclass(hint, OpenEnum) else known
    simple = {str: TEXT, int: st.integers(-(2**63), 2**63 - 1), datetime: TIMES, NoneType: st.none()}
    return simple[hint]


def test_every_model_is_tried() -> None:
    named = {name for name, schema in DOCUMENT["components"]["schemas"].items() if schema["type"] == "object"}
    assert {model.__name__ for model in MODELS} == named


@pytest.mark.parametrize("model", MODELS)
@hypothesis.settings(max_examples=30)  # for each model, and the larger ones contain the others
@given(data=st.data())
def test_a_model_becomes_json_that_satisfies_the_description(model: type[Any], data: st.DataObject) -> None:
    value = data.draw(values(model, open_ended=False))
    jsonschema.Draft202012Validator(
        {"$ref": f"urn:description#/components/schemas/{model.__name__}"},
        registry=REGISTRY,
        format_checker=jsonschema.FormatChecker(["date-time"]),
    ).validate(json.loads(models.to_json(value)))


@pytest.mark.parametrize("model", MODELS)
@hypothesis.settings(max_examples=30)  # for each model, and the larger ones contain the others
@given(data=st.data())
def test_json_becomes_an_equal_model(model: type[Any], data: st.DataObject) -> None:
    value = data.draw(values(model, open_ended=True))
    assert models.from_json(model, models.to_json(value)) == value
