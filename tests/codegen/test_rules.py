"""The rules are a table: each is found by a change, the docs show it, and no difference escapes it."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.comparison.compare import compare
from codegen.comparison.report import as_json, as_text, is_breaking, version_bump
from codegen.comparison.rules import BREAKING, RULES, Impact, table
from codegen.description.flatten import flatten
from tests.codegen.edits import edited, put, take, way
from tests.codegen.test_verdicts import BASES, CASES

README = Path(__file__).parents[2] / "codegen" / "README.md"
VENDOR = BASES["vendor"]


def test_every_rule_is_tried() -> None:
    assert {case["rule"] for case in CASES if "rule" in case} == set(RULES)


def test_the_docs_show_the_table() -> None:
    assert "\n".join(table()) in README.read_text(encoding="utf-8")


KEYWORDS: dict[str, Any] = {
    "$id": "x", "$schema": "x", "$anchor": "x", "$dynamicRef": "#x", "$dynamicAnchor": "x", "$vocabulary": {"x": True},
    "$comment": "x", "$defs": {"x": {}}, "allOf": [{"minLength": 3}], "anyOf": [{"minLength": 3}, {"type": "integer"}],
    "oneOf": [{"minLength": 3}, {"type": "integer"}], "not": {"const": "x"}, "if": {"const": "x"},
    "then": {"minLength": 3}, "else": {"minLength": 3}, "dependentSchemas": {"x": {"minLength": 3}},
    "prefixItems": [{"type": "string"}], "items": {"type": "string"}, "contains": {"type": "string"},
    "properties": {"x": {"type": "string"}}, "patternProperties": {"x": {"type": "string"}},
    "additionalProperties": False, "propertyNames": {"pattern": "x"}, "unevaluatedItems": False,
    "unevaluatedProperties": False, "type": "boolean", "const": "x", "enum": ["x"], "multipleOf": 3, "maximum": 3,
    "exclusiveMaximum": 3, "minimum": 3, "exclusiveMinimum": 3, "maxLength": 3, "minLength": 3, "pattern": "x",
    "maxItems": 3, "minItems": 3, "uniqueItems": True, "maxContains": 3, "minContains": 3, "maxProperties": 3,
    "minProperties": 3, "required": ["x"], "dependentRequired": {"x": ["y"]}, "title": "x", "description": "x",
    "default": "x", "deprecated": True, "readOnly": True, "writeOnly": True, "examples": ["x"], "format": "email",
    "contentEncoding": "base64", "contentMediaType": "text/csv", "contentSchema": {"type": "string"},
    "discriminator": {"propertyName": "x"}, "xml": {"name": "x"}, "externalDocs": {"url": "x"}, "example": "x",
    "nullable": True, "x-open": True, "x-other": 1, "another": 1,
}  # fmt: skip

SCHEMAS = [
    "S DeliveryRequest", "S DeliveryRequest properties externalOrderId", "S Parcel properties weightGrams",
    "S Delivery properties history", "S Delivery properties history items", "S Eta", "S Eta properties pickupBy",
    "S DeliveryStatus", "S DeliveryWebhook properties data", "S Map additionalProperties", "S Union oneOf 0",
    "S Both allOf 1", "get parameters 1 schema", "components parameters IdempotencyKey schema",
    "components responses RateLimited headers Retry-After schema",
    "cancel requestBody content application/json schema", "test responses 202 content application/json schema",
]  # fmt: skip
GIVEN = {
    "S Map": {"type": "object", "additionalProperties": {"type": "string"}},
    "S Union": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    "S Both": {"allOf": [{"type": "object"}, {"type": "object", "properties": {"a": {"type": "string"}}}]},
    **{f"S Eta properties {name}": {"$ref": f"#/components/schemas/{name}"} for name in ("Map", "Union", "Both")},
    "S DeliveryRequest properties map": {"$ref": "#/components/schemas/Map"},
    "create callbacks": {"c": {"{$url}": {"post": {"responses": {"200": {"description": ""}}}}}},
    "create responses 201 links": {"l": {"operationId": "getDelivery"}},
    "cancel requestBody content application/json encoding": {"reason": {"contentType": "text/plain"}},
    "servers 0 variables": {"v": {"default": "x"}},
    "servers 0 url": "https://{v}.example",
    "components securitySchemes O": {
        "type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://a.example", "scopes": {"a": "x"}}},
    },
    "get security": [{"ApiKeyAuth": [], "O": ["a"]}],
}  # fmt: skip
WALKED = edited(VENDOR, set=GIVEN)
SAID_ALREADY = {("get parameters 1 schema", "type"), ("@item get", "parameters")}


def with_(place: str, key: str, value: Any) -> dict[str, Any]:
    return edited(WALKED, set={f"{place} {key}".strip(): value})


@pytest.mark.parametrize("place", SCHEMAS)
def test_no_keyword_of_a_schema_is_silent(place: str) -> None:
    silent = {keyword for keyword, value in KEYWORDS.items() if not compare(WALKED, with_(place, keyword, value))}
    assert silent == {keyword for where, keyword in SAID_ALREADY if where == place}


OBJECTS: dict[str, dict[str, Any]] = {
    "": {"openapi": "3.1.2", "jsonSchemaDialect": "x", "info": {}, "tags": [], "externalDocs": {}, "security": []},
    "info": dict.fromkeys(["summary", "description", "termsOfService", "contact", "license", "version"], "x"),
    "servers 0": {"url": "x", "description": "x", "variables": {"v": {"default": "y"}}},
    "servers 0 variables v": {"default": "y", "enum": ["y"], "description": "x"},
    "@item get": {"summary": "x", "description": "x", "servers": [{"url": "x"}], "parameters": []},
    "create": {
        "tags": [], "summary": "x", "description": "x", "externalDocs": {}, "operationId": "x", "deprecated": True,
        "requestBody": {}, "responses": {}, "callbacks": {}, "servers": [{"url": "x"}], "security": [],
    },
    "get parameters 1": {
        "name": "x", "in": "header", "description": "x", "required": True, "deprecated": True,
        "allowEmptyValue": True, "style": "deepObject", "explode": False, "allowReserved": True, "example": 1,
        "examples": {"x": {}}, "content": {"application/json": {}},
    },
    "cancel requestBody": {"description": "x", "required": True, "content": {"text/plain": {}}},
    "cancel requestBody content application/json": {"example": 1, "examples": {"x": {}}, "encoding": {}},
    "cancel requestBody content application/json encoding reason": dict.fromkeys(
        ["contentType", "headers", "style", "explode", "allowReserved"], "x"
    ),
    "get responses 200": {
        "description": "x", "headers": {"X-A": {}}, "content": {"text/plain": {}}, "links": {"x": {}},
    },
    "components responses RateLimited headers Retry-After": {
        "description": "x", "required": True, "deprecated": True, "style": "matrix", "explode": True, "example": 1,
        "examples": {"x": {}}, "content": {"text/plain": {}},
    },
    "create responses 201 links l": dict.fromkeys(
        ["operationRef", "operationId", "parameters", "requestBody", "description", "server"], "x"
    ),
    "components securitySchemes ApiKeyAuth": {
        "type": "mutualTLS", "description": "x", "name": "x", "in": "query", "scheme": "x", "bearerFormat": "x",
        "flows": {}, "openIdConnectUrl": "x",
    },
    "components securitySchemes O flows implicit": {
        "authorizationUrl": "x", "tokenUrl": "x", "refreshUrl": "x", "scopes": {"b": "x"},
    },
}  # fmt: skip


@pytest.mark.parametrize("place", OBJECTS)
def test_no_field_of_openapi_is_silent(place: str) -> None:
    fields = {**OBJECTS[place], "another": 1, "x-another": 1}
    silent = {field for field, value in fields.items() if not compare(WALKED, with_(place, field, value))}
    assert silent == {field for where, field in SAID_ALREADY if where == place}


def reworded(document: Any, dice: random.Random) -> Any:
    """Return a document with its keys in another order."""
    if isinstance(document, dict):
        keys = list(document)
        dice.shuffle(keys)
        return {key: reworded(document[key], dice) for key in keys}
    return [reworded(part, dice) for part in document] if isinstance(document, list) else document


def renamed(document: dict[str, Any], kind: str, dice: random.Random) -> dict[str, Any]:
    """Return a document whose components of one kind have other names."""
    changed = copy.deepcopy(document)
    names = {name: f"{name}{dice.randrange(10**9)}" for name in changed["components"][kind]}
    for _, node in places(changed):
        reference = str(node.get("$ref", ""))
        if reference.startswith(f"#/components/{kind}/"):
            node["$ref"] = f"#/components/{kind}/{names[reference.rpartition('/')[2]]}"
    changed["components"][kind] = {names[name]: part for name, part in changed["components"][kind].items()}
    return changed


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(node, dict):
        yield path, node
        for key, part in node.items():
            yield from places(part, (*path, key))
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from places(part, (*path, number))


def inlined(document: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return a document with the schema that one reference leads to in its place."""
    changed = copy.deepcopy(document)
    references = [node for _, node in places(changed) if "components/schemas" in str(node.get("$ref"))]
    node = dice.choice(references)
    target = flatten(changed, {"$ref": node.pop("$ref")})
    node.update(copy.deepcopy(target))
    return changed


def extracted(document: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return a document with one schema that stands in place among the named ones."""
    changed = copy.deepcopy(document)
    inline = [path for path, node in places(changed) if "type" in node and "in" not in node and len(path) > 3]
    inline = [path for path in inline if path[:2] != ("components", "securitySchemes")]
    path = [str(key) for key in dice.choice(inline)]
    name = f"New{dice.randrange(10**9)}"
    put(changed, ["components", "schemas", name], take_part(changed, path))
    put(changed, path, {"$ref": f"#/components/schemas/{name}"})
    return changed


def take_part(document: Any, path: list[str]) -> Any:
    node = document
    for key in path:
        node = node[int(key) if isinstance(node, list) else key]
    return copy.deepcopy(node)


REWORDINGS = {
    "shuffled": reworded,
    "parameters": lambda document, dice: renamed(document, "parameters", dice),
    "responses": lambda document, dice: renamed(document, "responses", dice),
    "inlined": inlined,
    "extracted": extracted,
}


@given(st.lists(st.sampled_from(sorted(REWORDINGS)), min_size=1, max_size=6), st.integers(0, 10**6))
@settings(max_examples=25)
@pytest.mark.parametrize("name", ["vendor", "ours"])
def test_two_ways_to_say_the_same_are_no_change(name: str, steps: list[str], seed: int) -> None:
    dice = random.Random(seed)
    new = BASES[name]
    for step in steps:
        new = REWORDINGS[step](new, dice)
    assert [change for change in compare(BASES[name], new) if change.rule != "text-changed"] == []


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_other_names_of_schemas_change_nothing_that_is_sent_or_received(seed: int) -> None:
    new = renamed(VENDOR, "schemas", random.Random(seed))
    assert {change.rule for change in compare(VENDOR, new)} == {"schema-renamed"}


def test_what_is_sent_and_received_is_judged_by_the_worse() -> None:
    """A new required field breaks who sends it, however welcome it is to who receives it."""
    new = edited(VENDOR, set={"S Contact properties new": {"type": "string"}, "S Contact required 2": "new"})
    (change,) = compare(VENDOR, new)
    assert (change.rule, change.place, change.impacts) == ("required-field-added", "Contact.new", BREAKING)


@pytest.mark.parametrize(("old", "new"), [(["note"], ["one", "two"]), (["one", "two"], ["note"])])
def test_fields_of_which_each_could_be_the_other_are_not_paired(old: list[str], new: list[str]) -> None:
    before, after = (
        edited(VENDOR, set={f"S Eta properties {name}": {"type": "boolean"} for name in names}) for names in (old, new)
    )
    rules = sorted(change.rule for change in compare(before, after))
    assert rules == sorted([*["field-removed"] * len(old), *["field-added"] * len(new)])


@pytest.mark.parametrize(
    ("edits", "bump", "breaking"),
    [
        ({}, "none", False),
        ({"create summary": "x"}, "patch", False),
        ({"webhooks more": {"post": {}}}, "minor", False),
        ({"servers": [{"url": "https://other.example"}]}, "major", True),
    ],
)
def test_the_worst_change_gives_the_version_bump(edits: dict[str, Any], bump: str, breaking: bool) -> None:
    changes = compare(VENDOR, edited(VENDOR, set=edits))
    assert (version_bump(changes), is_breaking(changes)) == (bump, breaking)
    assert json.loads(as_json(changes))["bump"] == bump


def test_the_text_lists_a_change_under_each_of_its_impacts() -> None:
    assert as_text(compare(VENDOR, edited(VENDOR, drop=["webhooks deliveryStatus"]))).splitlines() == [
        "Breaking for callers:",
        "  deliveryStatus: an operation or webhook is gone (POST deliveryStatus) [operation-removed]",
        "",
        "Breaking for wire:",
        "  deliveryStatus: an operation or webhook is gone (POST deliveryStatus) [operation-removed]",
        "",
        "Suggested version bump: major",
    ]


def test_an_impact_of_each_kind_is_worse_than_the_next() -> None:
    assert list(Impact) == [Impact.CALLERS, Impact.WIRE, Impact.ADDITIVE, Impact.COSMETIC]
    assert way("S Eta") == ["components", "schemas", "Eta"]
    assert take({"a": 1}, ["a"]) == 1
