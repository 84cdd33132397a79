"""The shapes of a schema: what data it allows, in one form however it is said.

A schema allows values of one or more shapes, each of one JSON type. `type: [string, 'null']`, `anyOf` with null and an
enumeration that holds null have the same two shapes; `oneOf` of constants has the one shape of an enumeration.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from codegen.description.flatten import SCHEMA_MAPS, flatten, same, types
from codegen.documents import SCHEMAS, Json, Object

TEXTS = frozenset({
    "title", "summary", "description", "deprecated", "tags", "example", "examples", "externalDocs", "xml", "$comment",
    "$defs", "$anchor", "$dynamicAnchor",
})  # fmt: skip
KEYWORDS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "contentEncoding", "contentMediaType", "contentSchema"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "array": frozenset({
        "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
        "unevaluatedItems",
    }),
    "object": frozenset({
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
        "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
    }),
}  # fmt: skip
"""The keywords that say something about values of one type only."""

NUMERIC_FORMATS = frozenset({"int32", "int64", "float", "double"})
INT32 = 2**31
NO_LIMIT: Mapping[str, Json] = {
    "minLength": 0, "minItems": 0, "minProperties": 0, "uniqueItems": False, "required": [], "properties": {},
    "patternProperties": {}, "dependentRequired": {}, "dependentSchemas": {}, "additionalProperties": True,
    "unevaluatedProperties": True, "items": True, "unevaluatedItems": True, "prefixItems": [], "readOnly": False,
    "writeOnly": False, "deprecated": False, "x-open": False, "x-personal": False,
}  # fmt: skip
"""Values that a keyword has when it is not there."""

MOST_SHAPES = 200
"""A union of more choices, its unions multiplied, is compared as a whole."""


MOST_SAID = 5
"""Values of an enumeration that a report names."""


@attrs.frozen(kw_only=True)
class Shape:
    """Values of one JSON type; `anything` and `nothing` stand for all types and none."""

    kind: str
    keywords: Object
    values: list[Json] | None = None
    """The values of an enumeration."""
    open: bool = False
    """Whether an enumeration also allows values that it does not list."""
    name: str | None = None
    """The component that this choice of a union refers to."""


@attrs.frozen
class Shapes:
    """All that a schema allows."""

    flat: Object
    choices: list[Shape]
    exclusive: bool
    """Whether a value must fit exactly one choice of a union."""


def shapes(document: Mapping[str, Any], schema: Json) -> Shapes:
    """Return the shapes of the values that a schema allows."""
    flat = flatten(document, schema)
    exclusive = any(kind == "oneOf" for kind, _ in flat.get("unions", ()))
    branches = _branches(document, flat, reference_name(schema), frozenset())
    found = [shape for branch, name in branches for shape in by_type(branch, name)]
    if len(branches) > MOST_SHAPES:
        found = [Shape(kind="anything", keywords={"union": canonical(document, schema)})]
    return Shapes(flat, _merged(found), exclusive)


def reference_name(schema: Json) -> str | None:
    """Return the name of the named schema that a schema is, whether or not the reference is wrapped in an `allOf`."""
    while isinstance(schema, dict):
        if "$ref" in schema:
            reference: str = schema["$ref"]
            return reference.removeprefix(SCHEMAS) if reference.startswith(SCHEMAS) else None
        match schema:
            case {"allOf": [single]} if not schema.keys() - TEXTS - {"allOf", "default"}:
                schema = single
            case _:
                break
    return None


def _branches(
    document: Mapping[str, Any], flat: Object, name: str | None, seen: frozenset[str]
) -> list[tuple[Object, str | None]]:
    """Return the keywords of each choice of a flat schema: its unions multiplied, their own unions as well."""
    rest = {key: value for key, value in flat.items() if key != "unions"}
    branches: list[tuple[Object, str | None]] = [(rest, name)]
    for _, alternatives in flat.get("unions", ()):
        grown: list[tuple[Object, str | None]] = []
        for branch, _name in branches:
            for alternative in alternatives:
                reference = reference_name(alternative)
                if reference is not None and reference in seen:
                    continue
                whole = flatten(document, {"allOf": [branch, alternative]})
                # With fields of the whole beside it, a choice is more than what it refers to.
                alone = reference if not meaning(branch).keys() - {"type", "discriminator"} else None
                grown += _branches(document, whole, alone, seen | {reference} if reference else seen)
            if len(grown) > MOST_SHAPES:
                return grown
        branches = grown
    return branches


def by_type(flat: Object, name: str | None) -> list[Shape]:
    """Return the shapes of a flat schema without unions, one for each type of its values."""
    kinds = _kinds(flat)
    open_ = bool(flat.get("x-open"))
    shared = {
        key: value
        for key, value in flat.items()
        if key not in ("type", "enum", "x-open") and not any(key in keywords for keywords in KEYWORDS.values())
    }
    found: list[Shape] = []
    for kind in kinds:
        own = KEYWORDS.get("number" if kind == "integer" else kind, frozenset())
        if kind == "anything":
            own = frozenset().union(*KEYWORDS.values())
        keywords = _normal(kind, {**shared, **{key: flat[key] for key in flat if key in own}})
        values = [value for value in flat["enum"] if _is(kind, value)] if "enum" in flat else None
        if values is not None and kind == "boolean" and len(values) > 1:
            values = None
        if kind == "null":
            found.append(Shape(kind="null", keywords={}, name=name))
        elif values != []:
            found.append(
                Shape(kind=kind, keywords=keywords, values=values, open=open_ and values is not None, name=name)
            )
    return found or [Shape(kind="nothing", keywords=shared, name=name)]


def _kinds(flat: Object) -> list[str]:
    """Return the types of the values, as they are stated or follow from the keywords."""
    if flat.get("not") in ({}, True):
        return ["nothing"]
    if "type" in flat:
        kinds = types(flat["type"])
    elif "enum" in flat:
        kinds = list(dict.fromkeys(_type_of(value) for value in flat["enum"]))
    else:
        kinds = [kind for kind, keywords in KEYWORDS.items() if keywords & flat.keys()]
        if not kinds and "format" in flat:
            kinds = ["number" if flat["format"] in NUMERIC_FORMATS else "string"]
        if not kinds:
            return ["anything"]
    return [kind for kind in dict.fromkeys(kinds) if not (kind == "integer" and "number" in kinds)]


def _type_of(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (dict, list)):
        return "object" if isinstance(value, dict) else "array"
    return "integer" if isinstance(value, int) or value.is_integer() else "number"


def _is(kind: str, value: Json) -> bool:
    of = _type_of(value)
    return of == kind or kind == "anything" or (kind == "number" and of == "integer")


def _normal(kind: str, keywords: Object) -> Object:
    """Leave out what says nothing, and say the bounds of whole numbers in one way."""
    normal = {key: value for key, value in keywords.items() if not (key in NO_LIMIT and same(value, NO_LIMIT[key]))}
    if kind == "integer":
        if "exclusiveMinimum" in normal:
            bound = math.floor(normal.pop("exclusiveMinimum")) + 1
            normal["minimum"] = max(bound, normal.get("minimum", bound))
        if "exclusiveMaximum" in normal:
            bound = math.ceil(normal.pop("exclusiveMaximum")) - 1
            normal["maximum"] = min(bound, normal.get("maximum", bound))
        if normal.get("format") == "int32":
            normal["minimum"] = max(-INT32, normal.get("minimum", -INT32))
            normal["maximum"] = min(INT32 - 1, normal.get("maximum", INT32 - 1))
        if normal.get("multipleOf") == 1:
            del normal["multipleOf"]
    for key in ("properties", "additionalProperties", "items", "unevaluatedProperties", "unevaluatedItems"):
        if normal.get(key) == {}:
            del normal[key]
    return normal


def meaning(keywords: Mapping[str, Json]) -> Object:
    """Return keywords without texts and vendor extensions."""
    return {key: value for key, value in keywords.items() if key not in TEXTS and not key.startswith("x-")}


def _merged(found: Iterable[Shape]) -> list[Shape]:
    """Join enumerations of one type, leave out what is there twice, and open an enumeration beside its own type."""
    kept: list[Shape] = []
    for shape in found:
        for number, other in enumerate(kept):
            joined = _joined(other, shape)
            if joined is not None:
                kept[number] = joined
                break
        else:
            kept.append(shape)
    return kept


def _joined(one: Shape, other: Shape) -> Shape | None:
    if one.kind != other.kind or not same(meaning(one.keywords), meaning(other.keywords)):
        return None
    if one.values is None and other.values is None:
        return attrs.evolve(one, name=one.name if one.name == other.name else None)
    if one.values is None or other.values is None:
        return attrs.evolve(other if one.values is None else one, open=True)
    values = [*one.values, *(value for value in other.values if not any(same(value, this) for this in one.values))]
    texts = {key: [shape.keywords.get(key) for shape in (one, other)] for key in TEXTS & other.keywords.keys()}
    return attrs.evolve(one, values=values, open=one.open or other.open, keywords={**one.keywords, **texts})


def canonical(document: Mapping[str, Any], node: Json) -> str:
    """Return a part of a description as text, references followed, without texts: equal where the meaning is equal."""

    def plain(node: Json, seen: tuple[str, ...]) -> Json:
        if isinstance(node, list):
            return [plain(part, seen) for part in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            reference = node["$ref"]
            if reference in seen:
                return {"back": len(seen) - seen.index(reference)}
            return plain(flatten(document, node), (*seen, reference))
        if "allOf" in node or "const" in node:
            node = flatten(document, node)
        return {
            key: value
            if key in ("enum", "default")
            else {name: plain(part, seen) for name, part in value.items()}
            if key in SCHEMA_MAPS and isinstance(value, dict)
            else plain(value, seen)
            for key, value in meaning(node).items()
        }

    return json.dumps(plain(node, ()), sort_keys=True, ensure_ascii=False)


def said_of(document: Mapping[str, Any], schema: Json) -> str:
    """Say in a word or a few what data a schema stands for."""
    return reference_name(schema) or " or ".join(map(said, shapes(document, schema).choices))


def said(shape: Shape) -> str:
    """Say in a word or a few what data a shape is."""
    if shape.name is not None:
        return shape.name
    if shape.values is not None:
        return "one of " + ", ".join(str(value) for value in shape.values[:5]) + ("…" if len(shape.values) > 5 else "")
    kind = shape.kind if shape.kind != "object" or meaning(shape.keywords).get("properties") else "map"
    given = shape.keywords.get("format") if shape.kind == "string" else None
    return f"{given} {kind}" if given else kind
