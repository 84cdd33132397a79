"""Every shape of a schema gives models that read, write and refuse values, or is refused with all its places."""

import enum
import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import hypothesis
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.description.load import load
from codegen.documents import CodegenError
from codegen.rendering.models import render
from kaspi_delivery_async._open_enum import OpenEnum
from kaspi_delivery_async._wire.conversion.annotations import elements_of, is_union
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import from_dict, from_json, to_dict, to_json
from tests.codegen.shapes import models
from tests.codegen.shapes.cases import CASES, HERE, Case, all_in_one, document

WORKING = [case for case in CASES if not case.refused]
GOLDEN = HERE / "models.py"

working = pytest.mark.parametrize("case", WORKING, ids=[case.shape for case in WORKING])


def model_of(case: Case) -> Any:
    return getattr(models, f"{case.prefix}Thing")


def loaded(tmp_path: Path, schemas: dict[str, Any]) -> dict[str, Any]:
    path = tmp_path / "description.json"
    path.write_text(json.dumps(schemas), encoding="utf-8")
    return load(str(path))


def test_the_models_of_all_shapes_are_as_recorded(tmp_path: Path) -> None:
    """With UPDATE_SHAPES in the environment, they are recorded."""
    source = render(loaded(tmp_path, all_in_one(WORKING)))
    if "UPDATE_SHAPES" in os.environ:
        GOLDEN.write_text(source, encoding="utf-8")
    assert source == GOLDEN.read_text(encoding="utf-8")


@working
def test_good_values_are_read_and_written(case: Case) -> None:
    for value, written in [*((value, value) for value in case.good), *case.becomes]:
        read = from_dict(model_of(case), value)
        assert to_dict(read) == written
        assert from_json(model_of(case), to_json(read)) == from_dict(model_of(case), written)


@working
def test_bad_values_are_refused_by_their_path(case: Case) -> None:
    for path, value in case.bad:
        with pytest.raises(InvalidRequestError) as refused:
            from_dict(model_of(case), value)
        assert str(refused.value).startswith(f"{path}"), value


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda case: case.shape)
def test_a_refusal_names_all_places(case: Case, tmp_path: Path) -> None:
    with pytest.raises(CodegenError) as refused:
        loaded(tmp_path, document(case.schemas))
    file, *lines = str(refused.value).splitlines()
    assert file == f"{tmp_path / 'description.json'} cannot be used."
    assert len(lines) == len(case.refused)
    for place, reason in case.refused.items():
        assert any(place in line and reason in line for line in lines), lines


MISFITS: list[tuple[Any, str]] = [
    (models.AMapOfListsThing(a={"x": (1, "y")}), "$.a.x[1]"),  # type: ignore[dict-item]
    (models.AMapOfTextsThing(a={1: "x"}), "$.a"),  # type: ignore[dict-item]
    (models.TypedPropertiesBesideThing(a="x", additional={"y": "z"}), "$.y"),  # type: ignore[dict-item]
    (models.AnObjectOrItsIdentifierThing(a=models.AnObjectOrItsIdentifierPart(b="x")), "$.a.b"),  # type: ignore[arg-type]
    (models.AnObjectOrItsIdentifierThing(a=1), "$.a"),  # type: ignore[arg-type]
    (models.OneOrAListThing(a=("x", 1)), "$.a[1]"),  # type: ignore[arg-type]
    (models.ATupleOfAFixedLengthThing(a=("x",)), "$.a"),  # type: ignore[arg-type]
    (models.ATupleOfAFixedLengthThing(a=("x", "y")), "$.a[1]"),  # type: ignore[arg-type]
    (models.EnumerationThing(a="red"), "$.a"),  # type: ignore[arg-type]
    (models.ConstantTextThing(a="cash"), "$.a"),  # type: ignore[arg-type]
    (models.NullAloneThing(a=0), "$.a"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("model", "path"), MISFITS)
def test_a_model_with_a_wrong_value_is_not_written(model: Any, path: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        to_dict(model)
    assert str(refused.value).startswith(f"{path}: "), str(refused.value)


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(TEXT, parts, max_size=2),
    max_leaves=3,
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    Any: JSON, str: TEXT, int: st.integers(-(2**53), 2**53), bool: st.booleans(), NoneType: st.none(),
    float: st.floats(allow_nan=False, allow_infinity=False), date: st.dates(),
    datetime: st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    Decimal: st.decimals(-999, 999, places=2),
}  # fmt: skip


def values(hint: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    """Make values of a type; nothing that is optional below some depth, where a type may contain itself."""
    if hint in SCALARS:
        return SCALARS[hint]
    if is_union(hint):
        members = [member for member in get_args(hint) if depth > 0 or not attrs.has(member)]
        return st.one_of([values(member, depth - 1) for member in members or get_args(hint)])
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is dict:
        inner = values(get_args(hint)[1], depth - 1) if depth > 0 else st.nothing()
        return st.dictionaries(TEXT, inner, max_size=2)
    if get_origin(hint) is tuple:
        counts = [count for count in range(4) if elements_of(hint, count) is not None][: None if depth > 0 else 1]
        tuples = [
            st.tuples(*(values(element, depth - 1) for element in elements_of(hint, count) or ())) for count in counts
        ]
        return st.one_of(tuples)
    if attrs.has(hint):
        fields = {field.name: field for field in attrs.fields(hint) if "read_only" not in field.metadata}
        hints = {name: part for name, part in get_type_hints(hint).items() if name in fields}
        optional = {name for name in hints if depth <= 0 and fields[name].default is not attrs.NOTHING}
        return st.builds(
            hint, **{name: values(part, depth - 1) for name, part in hints.items() if name not in optional}
        )
    known = st.sampled_from(list(hint))
    return known | TEXT.map(hint) if issubclass(hint, OpenEnum) else known


BEYOND_TYPES = {
    "a base and kinds that refer to each other", "a list that contains", "a union of itself and more",
    "anyOf of required alone", "choices of bounds alone", "conditions on fields", "oneOf of required alone",
    "patterns beside",
}  # fmt: skip
"""Shapes with conditions that no type says, or that a validator follows without end."""


def judge(case: Case) -> jsonschema.Draft202012Validator:
    """Return what judges the values of a shape, bounds and names aside, which the models leave to the server."""
    schemas = json.loads(json.dumps(all_in_one([case])))
    unbound(schemas)
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{case.prefix}Thing", **schemas})


BOUNDS = {
    "minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "uniqueItems", "minItems", "contains",
    "propertyNames", "oneOf", "maxItems", "exclusiveMinimum", "exclusiveMaximum",
}  # fmt: skip


def unbound(node: Any) -> None:
    """Take out bounds, exclusion and what has to go one way only, and let open enumerations be open."""
    if isinstance(node, dict):
        tuples = "prefixItems" in node
        for key in list(node.keys() & BOUNDS):
            if key == "oneOf":
                node.setdefault("anyOf", node.pop(key))
            elif not isinstance(node[key], dict) and not (tuples and key in ("minItems", "maxItems")):
                del node[key]
        if node.get("x-open"):
            node.pop("enum")
        fields = node.get("properties", {})
        one_way = [name for name in fields if "readOnly" in str(fields[name]) or "writeOnly" in str(fields[name])]
        if one_way and "required" in node:
            node["required"] = [name for name in node["required"] if name not in one_way]
        for value in node.values():
            unbound(value)
    elif isinstance(node, list):
        for value in node:
            unbound(value)


@pytest.mark.long
@pytest.mark.parametrize(
    "case", [case for case in WORKING if case.shape not in BEYOND_TYPES], ids=lambda case: case.shape
)
@hypothesis.settings(max_examples=100, suppress_health_check=list(hypothesis.HealthCheck))
@given(data=st.data())
def test_random_values_satisfy_the_schema_and_come_back(case: Case, data: st.DataObject) -> None:
    model = model_of(case)
    if not attrs.has(model):
        model = attrs.make_class("Holder", {"thing": attrs.field(type=model)}, frozen=True, slots=True, kw_only=True)
        value = data.draw(st.builds(model, thing=values(attrs.fields(model).thing.type)))
        written = to_dict(value)["thing"]
    else:
        value = data.draw(values(model))
        written = to_dict(value)
    judge(case).validate(written)
    assert to_dict(from_json(type(value), to_json(value))) == to_dict(value)


def test_members_of_enumerations_are_what_code_can_name() -> None:
    for one in vars(models).values():
        if isinstance(one, type) and issubclass(one, enum.Enum) and one.__module__ == models.__name__:
            assert all(member.name.isidentifier() and member.name == member.name.upper() for member in one)
