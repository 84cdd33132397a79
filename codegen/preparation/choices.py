"""The choices that a schema leaves: references to named schemas, and shapes of its own."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from codegen.description.flatten import flatten, same
from codegen.description.shapes import MOST_SHAPES, Shape, by_type, canonical, meaning, reference_name
from codegen.documents import Json, Object

BESIDE = frozenset({"type", "discriminator", "default", "readOnly", "writeOnly"})
"""Keywords beside a union that add nothing to the choices that it refers to."""

REFERENCE = "reference"
"""The kind of a choice that is a named schema."""


class TooManyChoicesError(Exception):
    """A schema leaves more choices than anybody can distinguish."""


def choices(document: Mapping[str, Any], flat: Object, within: frozenset[str] = frozenset()) -> list[Shape]:
    """Return the choices of a flat schema; those that are whole named schemas are references to them.

    `within` names the schemas that are being looked into: a union leads back to none of them.
    """
    rest = {key: value for key, value in flat.items() if key != "unions"}
    unions = flat.get("unions", ())
    branches: list[Object | Shape] = [rest]
    for _, alternatives in unions:
        grown: list[Object | Shape] = []
        for branch in branches:
            for alternative in alternatives:
                if isinstance(branch, Shape):  # of a union within a union
                    grown.append(branch)
                else:
                    grown += _chosen(document, branch, alternative, within, alone=len(unions) == 1)
            if len(grown) > MOST_SHAPES:
                raise TooManyChoicesError
        branches = grown
    found: list[Shape] = []
    for branch in branches:
        found += [branch] if isinstance(branch, Shape) else by_type(branch, None)
    return _simplified(document, [shape for shape in found if shape.kind != "nothing"])


def _chosen(
    document: Mapping[str, Any], branch: Object, alternative: Json, within: frozenset[str], *, alone: bool
) -> list[Object | Shape]:
    """Return what one alternative of a union makes of what is beside it."""
    name = reference_name(alternative)
    if name in within:
        return []
    if name is not None and alone and (not meaning(branch).keys() - BESIDE or extends(document, name, within)):
        return [Shape(kind=REFERENCE, keywords={}, name=name)]
    whole = flatten(document, {"allOf": [branch, alternative]})
    if "unions" not in whole:
        return [whole]
    return list(choices(document, whole, within | {name} if name else within))


def extends(document: Mapping[str, Any], name: str, bases: Iterable[str]) -> bool:
    """Whether a named schema is one of some others and more."""
    bases = frozenset(bases)
    return bool(bases) and any(base in bases for base in _bases(document, name))


def _bases(document: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the named schemas that a named schema is made of, by `allOf` and by being a mere reference."""
    waiting, seen = [document["components"]["schemas"].get(name)], {name}
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, dict):
            waiting += schema.get("allOf", ())
            base = reference_name({"$ref": schema["$ref"]}) if "$ref" in schema else None
            if base is not None and base not in seen:
                seen.add(base)
                waiting.append(document["components"]["schemas"].get(base))
                yield base


def _simplified(document: Mapping[str, Any], found: list[Shape]) -> list[Shape]:
    """Join enumerations and objects that are one, and leave out what is there twice."""
    kept: list[Shape] = []
    for shape in found:
        for number, other in enumerate(kept):
            joined = _joined(document, other, shape)
            if joined is not None:
                kept[number] = joined
                break
        else:
            kept.append(shape)
    return kept


def _joined(document: Mapping[str, Any], one: Shape, other: Shape) -> Shape | None:
    if one.kind != other.kind or (one.name is not None and one.name != other.name):
        return None
    if one.kind == "object" and one.values is other.values is None:
        return _joined_objects(document, one, other)
    if one.kind in ("array", "object"):
        alike = canonical(document, one.keywords) == canonical(document, other.keywords)
        return one if alike and one.values == other.values else None
    if one.values is None and other.values is None:
        return one if one.keywords.get("format") == other.keywords.get("format") else None
    if one.values is None or other.values is None:
        plain, listed = (one, other) if one.values is None else (other, one)
        return None if "format" in plain.keywords else attrs.evolve(listed, open=True)
    new = [value for value in other.values if not any(same(value, this) for this in one.values)]
    said = {
        key: [*_said_of_values(one, key), *(_said_of_values(other, key)[other.values.index(value)] for value in new)]
        for key in ("title", "description")
    }
    keywords = {key: value for key, value in one.keywords.items() if key not in ("title", "description", "x-const")}
    return attrs.evolve(
        one, values=[*one.values, *new], open=one.open or other.open, keywords={**keywords, "x-said": said}
    )


def _said_of_values(shape: Shape, key: str) -> list[str]:
    """Return what is said of each value of an enumeration, which may be one of constants."""
    values = shape.values or []
    if "x-said" in shape.keywords:
        said: list[str] = shape.keywords["x-said"][key]
        return said
    return [str(shape.keywords.get(key, "")) if len(values) == 1 else ""] * len(values)


def _joined_objects(document: Mapping[str, Any], one: Shape, other: Shape) -> Shape | None:
    """Join two objects that differ in nothing but what they require."""
    conditions = ("required", "not", "dependentRequired", "minProperties", "maxProperties", "if", "then", "else")
    apart = [{key: value for key, value in shape.keywords.items() if key not in conditions} for shape in (one, other)]
    if canonical(document, apart[0]) != canonical(document, apart[1]):
        return None
    required = [name for name in one.keywords.get("required", ()) if name in other.keywords.get("required", ())]
    return attrs.evolve(one, keywords={**one.keywords, "required": required})
