"""Each rule of the comparison, by a change that falls under it."""

import copy
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.comparison.changes import compare
from codegen.comparison.report import as_json, as_text, is_breaking, version_bump
from codegen.comparison.rules import BREAKING, CALLERS, NEW, RULES, TEXT, WIRE, Impact
from codegen.comparison.surface import surface

Change = Callable[[dict[str, Any]], object]


def media(name: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


BASE: dict[str, Any] = {
    "servers": [{"url": "https://a.example"}],
    "paths": {
        "/things": {
            "parameters": [{"name": "trace", "in": "header", "schema": {"type": "string"}}],
            "post": {
                "operationId": "make",
                "parameters": [{"$ref": "#/components/parameters/Colour"}],
                "requestBody": {"$ref": "#/components/requestBodies/Order"},
                "responses": {"201": {"headers": {"X-Replay": {}}, **media("Thing")}, "404": {}},
            },
        }
    },
    "webhooks": {"made": {"post": {"requestBody": media("Event"), "responses": {"200": {}}}}},
    "components": {
        "parameters": {"Colour": {"name": "colour", "in": "query", "required": True, "schema": {"type": "string"}}},
        "requestBodies": {"Order": {"required": True, **media("Order")}},
        "schemas": {
            "Order": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "a"},
                    "note": {"type": ["string", "null"]},
                    "size": {"$ref": "#/components/schemas/Size"},
                },
            },
            "Thing": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "note": {"type": ["string", "null"], "x-personal": True},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Colour"}},
                },
            },
            "Event": {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}},
            "Size": {"type": "string", "enum": ["big", "small"]},
            "Colour": {"type": "string", "enum": ["red"], "x-open": True},
            "Unused": {"type": "string", "enum": ["a"]},
        },
    },
}


def operation(document: dict[str, Any]) -> Any:
    return document["paths"]["/things"]["post"]


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


def field(document: dict[str, Any], name: str, of: str = "id") -> Any:
    return schema(document, name)["properties"][of]


def rename(parts: dict[str, Any], old: str, new: str) -> None:
    parts[new] = parts.pop(old)


def require(document: dict[str, Any], name: str) -> None:
    schema(document, name)["properties"]["new"] = {"type": "integer"}
    schema(document, name)["required"].append("new")


def retype(document: dict[str, Any], kind: dict[str, Any]) -> None:
    schema(document, "Thing")["properties"]["id"] = kind


CASES: list[tuple[str, frozenset[Impact], Change]] = [
    ("operation-added", NEW, lambda d: d["paths"].update({"/more": {"get": {"operationId": "more"}}})),
    ("operation-added", NEW, lambda d: d["webhooks"].update({"more": {"post": {}}})),
    ("operation-removed", BREAKING, lambda d: d["webhooks"].clear()),
    ("operation-renamed", CALLERS, lambda d: operation(d).update(operationId="create")),
    ("operation-moved", WIRE, lambda d: rename(d["paths"], "/things", "/v2/things")),
    ("operation-moved", WIRE, lambda d: rename(d["paths"]["/things"], "post", "put")),
    ("server-added", NEW, lambda d: d["servers"].append({"url": "https://b.example"})),
    ("server-removed", WIRE, lambda d: d["servers"].clear()),
    ("security-changed", WIRE, lambda d: d.update(security=[{"key": []}])),
    ("parameter-added", NEW, lambda d: operation(d)["parameters"].append({"name": "x", "in": "query"})),
    (
        "required-parameter-added",
        BREAKING,
        lambda d: operation(d)["parameters"].append({"name": "x", "in": "query", "required": True}),
    ),
    ("parameter-removed", BREAKING, lambda d: d["paths"]["/things"]["parameters"].clear()),
    (
        "parameter-changed",
        BREAKING,
        lambda d: d["components"]["parameters"]["Colour"].update(schema={"type": "integer"}),
    ),
    ("parameter-required", BREAKING, lambda d: d["paths"]["/things"]["parameters"][0].update(required=True)),
    ("parameter-optional", NEW, lambda d: d["components"]["parameters"]["Colour"].update(required=False)),
    ("text-changed", TEXT, lambda d: d["components"]["parameters"]["Colour"].update(description="A colour.")),
    ("body-changed", BREAKING, lambda d: d["components"]["requestBodies"]["Order"].update(media("Thing"))),
    ("body-changed", BREAKING, lambda d: operation(d).pop("requestBody")),
    ("body-required", BREAKING, lambda d: d["webhooks"]["made"]["post"]["requestBody"].update(required=True)),
    ("body-optional", NEW, lambda d: d["components"]["requestBodies"]["Order"].update(required=False)),
    ("success-changed", BREAKING, lambda d: operation(d)["responses"].update({"202": {}})),
    ("success-changed", BREAKING, lambda d: d["webhooks"]["made"]["post"]["responses"].clear()),
    ("error-added", NEW, lambda d: operation(d)["responses"].update({"409": {}})),
    ("error-removed", NEW, lambda d: operation(d)["responses"].pop("404")),
    ("answer-changed", BREAKING, lambda d: operation(d)["responses"]["404"].update(media("Thing"))),
    ("header-added", NEW, lambda d: operation(d)["responses"]["404"].update(headers={"Retry-After": {}})),
    ("header-removed", WIRE, lambda d: operation(d)["responses"]["201"].pop("headers")),
    ("text-changed", TEXT, lambda d: operation(d).update(summary="Make it.")),
    ("schema-added", NEW, lambda d: d["components"]["schemas"].update(New={"type": "string"})),
    ("schema-removed", CALLERS, lambda d: d["components"]["schemas"].pop("Unused")),
    ("schema-changed", BREAKING, lambda d: d["components"]["schemas"].update(Event={"type": "array"})),
    ("field-added", NEW, lambda d: schema(d, "Order")["properties"].update(new={"type": "string"})),
    ("field-added", NEW, lambda d: schema(d, "Thing")["properties"].update(new={"type": "string"})),
    ("required-field-added", BREAKING, lambda d: require(d, "Order")),
    ("required-field-added", NEW, lambda d: require(d, "Thing")),
    ("required-field-removed", BREAKING, lambda d: schema(d, "Order")["properties"].pop("id")),
    ("required-field-removed", BREAKING, lambda d: schema(d, "Thing")["properties"].pop("id")),
    ("field-removed", BREAKING, lambda d: schema(d, "Order")["properties"].pop("note")),
    ("field-removed", CALLERS, lambda d: schema(d, "Thing")["properties"].pop("note")),
    ("field-removed", CALLERS, lambda d: schema(d, "Event")["properties"].pop("at")),
    ("field-renamed", BREAKING, lambda d: rename(schema(d, "Order")["properties"], "note", "remark")),
    ("field-renamed", BREAKING, lambda d: rename(schema(d, "Event")["properties"], "at", "when")),
    ("field-changed", BREAKING, lambda d: field(d, "Order").update(type="integer")),
    ("field-changed", BREAKING, lambda d: field(d, "Event", "at").pop("format")),
    ("field-changed", BREAKING, lambda d: field(d, "Thing", "parts").update(items={"type": "string"})),
    ("field-required", BREAKING, lambda d: schema(d, "Order")["required"].append("note")),
    ("field-required", NEW, lambda d: schema(d, "Thing")["required"].append("note")),
    ("field-optional", NEW, lambda d: schema(d, "Order")["required"].clear()),
    ("field-optional", BREAKING, lambda d: schema(d, "Thing")["required"].clear()),
    ("field-nullable", NEW, lambda d: field(d, "Order").update(type=["string", "null"])),
    ("field-nullable", BREAKING, lambda d: field(d, "Thing").update(type=["string", "null"])),
    ("field-not-nullable", BREAKING, lambda d: field(d, "Order", "note").update(type="string")),
    ("field-not-nullable", NEW, lambda d: field(d, "Thing", "note").update(type="string")),
    ("bounds-tightened", WIRE, lambda d: field(d, "Order").update(minLength=2)),
    ("bounds-tightened", WIRE, lambda d: field(d, "Order").update(maxLength=8)),
    ("bounds-tightened", WIRE, lambda d: field(d, "Order").update(pattern="b")),
    ("bounds-tightened", WIRE, lambda d: field(d, "Order", "note").update(minLength=1)),
    ("bounds-tightened", TEXT, lambda d: field(d, "Thing").update(minLength=2)),
    ("bounds-loosened", NEW, lambda d: field(d, "Order").update(minLength=0)),
    ("bounds-loosened", NEW, lambda d: field(d, "Order").update(maxLength=10)),
    ("bounds-loosened", NEW, lambda d: field(d, "Order").pop("pattern")),
    ("bounds-loosened", TEXT, lambda d: field(d, "Thing").pop("minLength")),
    ("personal-marked", NEW, lambda d: field(d, "Thing").update({"x-personal": True})),
    ("personal-unmarked", CALLERS, lambda d: field(d, "Thing", "note").pop("x-personal")),
    ("value-added", NEW, lambda d: schema(d, "Colour")["enum"].append("blue")),
    ("closed-value-added", NEW, lambda d: schema(d, "Size")["enum"].append("medium")),
    ("closed-value-added", BREAKING, lambda d: schema(d, "Unused")["enum"].append("b")),
    ("value-removed", BREAKING, lambda d: schema(d, "Size")["enum"].remove("big")),
    ("value-removed", CALLERS, lambda d: schema(d, "Unused")["enum"].__setitem__(slice(None), ["b"])),
    ("enum-opened", NEW, lambda d: schema(d, "Size").update({"x-open": True})),
    ("enum-closed", CALLERS, lambda d: schema(d, "Colour").pop("x-open")),
    ("text-changed", TEXT, lambda d: schema(d, "Order").update(description="An order.")),
    ("text-changed", TEXT, lambda d: field(d, "Order").update(examples=["x"])),
]


def changed(change: Change) -> dict[str, Any]:
    document = copy.deepcopy(BASE)
    change(document)
    return document


@pytest.mark.parametrize(("rule", "impacts", "change"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_a_change_falls_under_its_rule(rule: str, impacts: frozenset[Impact], change: Change) -> None:
    found = {one.rule: one.impacts for one in compare(surface(BASE), surface(changed(change)))}
    assert found.pop(rule) == impacts
    # A value cannot be lost from an enumeration of one without another being new.
    assert set(found) <= {"closed-value-added"} if rule == "value-removed" else not found


def test_every_rule_is_tried() -> None:
    assert {rule for rule, _, _ in CASES} == set(RULES)


def test_every_rule_is_in_the_docs_with_its_meaning() -> None:
    lines = (Path(__file__).parents[2] / "codegen" / "README.md").read_text().splitlines()
    for name, rule in RULES.items():
        sent, received = (
            ", ".join(impact for impact in Impact if impact in part) for part in (rule.sent, rule.received)
        )
        assert f"| `{name}` | {rule.meaning} | {sent} | {received} |" in lines


@given(st.lists(st.sampled_from([change for _, _, change in CASES[-16:]]), max_size=4))
def test_the_same_changes_on_both_sides_are_no_change(changes: list[Change]) -> None:
    document = copy.deepcopy(BASE)
    for change in changes:
        try:
            change(document)
        except (KeyError, ValueError):
            continue
    assert compare(surface(document), surface(copy.deepcopy(document))) == ()


def test_what_is_sent_and_received_is_judged_by_the_worse() -> None:
    """A new required field breaks who sends it, however welcome it is to who receives it."""
    both = copy.deepcopy(BASE)
    operation(both)["responses"]["201"] = media("Order")
    document = copy.deepcopy(both)
    schema(document, "Order")["properties"]["new"] = {"type": "string"}
    schema(document, "Order")["required"].append("new")
    (change,) = compare(surface(both), surface(document))
    assert (change.rule, change.impacts) == ("required-field-added", BREAKING)


def test_fields_that_could_each_be_the_new_name_are_not_paired() -> None:
    def change(document: dict[str, Any]) -> None:
        properties = schema(document, "Thing")["properties"]
        properties["one"] = properties["two"] = properties.pop("note")

    rules = [one.rule for one in compare(surface(BASE), surface(changed(change)))]
    assert rules == ["field-removed", "field-added", "field-added"]


def test_fields_that_could_each_be_the_old_name_are_not_paired() -> None:
    before = changed(lambda d: schema(d, "Event")["properties"].update(until={"type": "string", "format": "date-time"}))
    after = changed(lambda d: rename(schema(d, "Event")["properties"], "at", "when"))
    rules = [one.rule for one in compare(surface(before), surface(after))]
    assert rules == ["field-removed", "field-removed", "field-added"]


def test_several_ways_to_say_a_type_are_told_apart() -> None:
    kinds: list[dict[str, Any]] = [
        {"const": 1},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"allOf": [{"type": "string"}, {"minLength": 1}]},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object"},
        {"type": "array"},
        {},
    ]
    documents = [changed(partial(retype, kind=kind)) for kind in kinds]
    types = [surface(document).schemas["Thing"].fields["id"].type for document in documents]
    assert types == [
        "1",
        "string or integer",
        "string and anything",
        "map of string",
        "object",
        "array of anything",
        "anything",
    ]


@pytest.mark.parametrize(
    ("change", "bump", "breaking"),
    [
        (lambda _: None, "none", False),
        (lambda d: operation(d).update(summary="x"), "patch", False),
        (lambda d: d["webhooks"].update({"more": {"post": {}}}), "minor", False),
        (lambda d: d["servers"].clear(), "major", True),
    ],
)
def test_the_worst_change_gives_the_version_bump(change: Change, bump: str, breaking: bool) -> None:
    changes = compare(surface(BASE), surface(changed(change)))
    assert (version_bump(changes), is_breaking(changes)) == (bump, breaking)
    assert json.loads(as_json(changes))["bump"] == bump


def test_the_text_lists_a_change_under_each_of_its_impacts() -> None:
    changes = compare(surface(BASE), surface(changed(lambda d: d["webhooks"].clear())))
    assert as_text(changes).splitlines() == [
        "Breaking for callers:",
        "  made: an operation or webhook is gone (POST made) [operation-removed]",
        "",
        "Breaking for wire:",
        "  made: an operation or webhook is gone (POST made) [operation-removed]",
        "",
        "Suggested version bump: major",
    ]
