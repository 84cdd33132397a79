"""Merges what a schema says in several places: references, `allOf` and its own keywords become one set of keywords.

Two descriptions that say the same in different ways are equal once they are flat, and a class can be made of the
fields of all parts. A flat schema has neither `$ref` nor `allOf`; the schemas inside it stay as they are.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from codegen.documents import Json, Object, resolve

UPPER = frozenset({"maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties", "maxContains"})
LOWER = frozenset({"minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties", "minContains"})
FLAGS = frozenset({"readOnly", "writeOnly", "deprecated", "uniqueItems", "x-open", "x-personal"})
UNIONS = ("oneOf", "anyOf")
SCHEMA_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
SCHEMAS_WITHIN = frozenset({
    "items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "propertyNames", "contains",
})  # fmt: skip
ANNOTATIONS = frozenset({
    "title", "description", "default", "examples", "example", "externalDocs", "discriminator", "xml", "$comment",
    "$schema", "$id", "$anchor", "$dynamicAnchor",
})  # fmt: skip


def flatten(document: Mapping[str, Any], schema: Json) -> Object:
    """Return the keywords that hold for a schema, those of what it refers to and of all its parts included.

    Its own texts win over those of its parts; unions of several parts are kept apart under `unions`.
    """
    flat: Object = {}
    for part in reversed(list(_parts(document, schema, frozenset()))):
        _merge(flat, part)
    return flat


def _parts(
    document: Mapping[str, Any], schema: Json, seen: frozenset[str], inside: frozenset[str] = frozenset()
) -> Iterator[Object]:
    """Yield the keywords of each part: the schema's own first, then those of its parts, the last first.

    `inside` are the references that led to what refers to this schema.
    """
    if not isinstance(schema, dict):
        yield {"not": {}} if schema is False else {}
        return
    yield {
        key: value
        for key, value in schema.items()
        if key not in ("$ref", "allOf") and not (key in UNIONS and _lists(value, inside))
    }
    for part in reversed(schema.get("allOf", ())):
        yield from _parts(document, part, seen, inside)
    reference = schema.get("$ref")
    if reference is not None and reference not in seen:
        yield from _parts(document, resolve(document, reference), seen | {reference}, seen)


def _lists(alternatives: Json, inside: frozenset[str]) -> bool:
    """Whether a union lists a schema that is being looked into: then the union is a list of the kinds of a base."""
    return any(isinstance(one, dict) and one.get("$ref") in inside for one in alternatives)


def _merge(flat: Object, part: Mapping[str, Any]) -> None:
    """Add a part's keywords to those that are there; a later part's texts win."""
    for key, value in _canonical(part).items():
        if key == "unions":
            flat[key] = [*flat.get(key, []), *(union for union in value if union not in flat.get(key, []))]
        elif key not in flat:
            flat[key] = value
        else:
            flat[key] = _both(key, flat[key], value)


def _canonical(part: Mapping[str, Any]) -> Object:
    """Return keywords with `const` as an enumeration of one, and unions in a list, so that they can be merged.

    What that and the normal form of a schema do not show, but a model does, stays as `x-const` and `x-rest`.
    """
    keywords = dict(part)
    if "const" in keywords:
        value = keywords.pop("const")
        keywords["enum"] = [one for one in keywords.get("enum", [value]) if same(one, value)]
        keywords["x-const"] = True
    if keywords.get("additionalProperties") in (True, {}):
        keywords["x-rest"] = True
    unions = [*keywords.pop("unions", []), *((kind, keywords.pop(kind)) for kind in UNIONS if kind in part)]
    return {**keywords, "unions": unions} if unions else keywords


def _both(key: str, one: Json, other: Json) -> Json:
    """Return the value of a keyword that two parts hold at once."""
    if key in FLAGS:
        return one or other
    if key in ANNOTATIONS or key.startswith("x-") or same(one, other):
        return other
    if key in UPPER or key in LOWER:
        return min(one, other) if key in UPPER else max(one, other)
    if key in SCHEMA_MAPS:
        return {**one, **{name: _all_of(one[name], part) if name in one else part for name, part in other.items()}}
    if key in SCHEMAS_WITHIN:
        return False if False in (one, other) else _all_of(one, other)
    merged = _MERGED.get(key)
    return merged(one, other) if merged else {"allOf": [one, other]}


def _types(one: Json, other: Json) -> Json:
    first, second = types(one), types(other)
    common = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    common += [kind for kind in second if kind == "integer" and "number" in first and kind not in common]
    return common[0] if len(common) == 1 else common


def _step(one: Json, other: Json) -> Json:
    whole = all(isinstance(step, int) for step in (one, other))
    return math.lcm(one, other) if whole else max(one, other)


_MERGED: Mapping[str, Callable[[Json, Json], Json]] = {
    "type": _types,
    "enum": lambda one, other: [value for value in one if any(same(value, this) for this in other)],
    "required": lambda one, other: [*one, *(name for name in other if name not in one)],
    "pattern": lambda one, other: "".join(sorted({f"(?={one})", f"(?={other})"})),
    "multipleOf": _step,
    "format": lambda _, other: other,
    "prefixItems": lambda one, other: [
        *(_all_of(*pair) for pair in zip(one, other, strict=False)),
        *(one[len(other) :] or other[len(one) :]),
    ],
}


def _all_of(*parts: Json) -> Json:
    """Return a schema that holds where all parts hold, without saying any part twice."""
    unique: list[Json] = []
    for part in parts:
        alone = isinstance(part, dict) and part.keys() == {"allOf"}
        unique += [one for one in (part["allOf"] if alone else [part]) if one not in unique and one is not True]
    return unique[0] if len(unique) == 1 else {"allOf": unique}


def types(value: Json) -> list[str]:
    """Return the types that a `type` keyword names, as a list."""
    return [value] if isinstance(value, str) else list(value)


def same(one: Json, other: Json) -> bool:
    """Whether two JSON values are equal, `1` and `true` being different and `1` and `1.0` being one number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
