"""Compares two schemas by the values that they allow."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from codegen.comparison.changes import Findings, pairs, shown
from codegen.comparison.choices import are_disjoint, matched
from codegen.comparison.discriminators import compare_discriminators
from codegen.comparison.objects import compare_objects
from codegen.comparison.values import compare_bounds, compare_values
from codegen.description.flatten import flatten, same, types
from codegen.description.shapes import (
    KEYWORDS,
    NUMERIC_FORMATS,
    TEXTS,
    Shape,
    canonical,
    reference_name,
    said,
    shapes,
)
from codegen.documents import SCHEMAS, Json, Object, references

TYPED_FORMATS = frozenset({"date-time", "date", "decimal"})
"""Formats of texts whose values have a Python type of their own."""

CONDITIONS = (
    "not", "if", "then", "else", "dependentSchemas", "dependentRequired", "propertyNames", "contains", "contentSchema",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
"""Keywords that allow or refuse values by schemas of their own, which no model shows."""

OF_SHAPES = frozenset({
    "properties", "required", "additionalProperties", "patternProperties", "items", "prefixItems", "type", "enum",
    "unions", "format", "default", "readOnly", "writeOnly", "discriminator", "x-open", "x-personal", "nullable",
    "contentEncoding", "contentMediaType", "minLength", "maxLength", "pattern", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minContains",
    "maxContains", "minProperties", "maxProperties", *CONDITIONS,
})  # fmt: skip


class SchemaComparison:
    """Walks two schemas in step, and notes what differs; each pair of schemas once for each direction."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any], findings: Findings) -> None:
        self.old, self.new = old, new
        self.findings = findings
        self.paired: tuple[set[str], set[str]] = (set(), set())
        """The names of the schemas, old and new, that were compared with another one."""
        self._seen: set[tuple[str, str, str, str]] = set()
        self._old_names = old.get("components", {}).get("schemas", {})
        self._new_names = new.get("components", {}).get("schemas", {})
        self._unchanged = _unchanged(self._old_names, self._new_names)

    def compare(self, place: str, old: Json, new: Json, *, kind: str = "schema") -> None:
        """Note the differences between two schemas that stand at one place; `kind` names the rule for its type."""
        if old == new and reference_name(old) in self._unchanged and old.keys() == {"$ref"}:
            for names in self.paired:
                names.update(self._unchanged[str(reference_name(old))])
            return
        place = self._compare_names(place, old, new)
        key = (_text(old), _text(new), self.findings.direction, "" if reference_name(old) else place)
        if key in self._seen:
            return
        self._seen.add(key)
        found = self.findings.count
        before, after = shapes(self.old, old), shapes(self.new, new)
        if kind == "schema":
            self.findings.text(place, before.flat.get("default"), after.flat.get("default"))
        self._compare_texts(place, before.flat, after.flat)
        self.findings.rest(place, before.flat, after.flat, known=OF_SHAPES | TEXTS)
        self._compare_idle(place, before.flat, after.flat, {one.kind for one in (*before.choices, *after.choices)})
        olds, news = list(before.choices), list(after.choices)
        if len(olds) > 1 or len(news) > 1 or olds[0].kind != news[0].kind:
            olds, news = self._compare_null(place, olds, news)
        if len(olds) > 1 and len(news) > 1 and before.exclusive != after.exclusive:
            overlap = not are_disjoint(olds if before.exclusive else news)
            exclusive = "choices-exclusive" if after.exclusive else "choices-inclusive"
            self.findings.add(exclusive if overlap else "choices-renotated", place)
        compare_discriminators(self, place, old, new)
        self._compare_choices(place, olds, news, kind)
        if found == self.findings.count:
            # The values are the same; how they are said may still be of interest.
            self.findings.text(place, _notation(before.flat), _notation(after.flat))

    def compare_default(self, place: str, old: Json, new: Json) -> None:
        """Note a difference between what two optional schemas stand for where no value is sent."""
        before, after = (flatten(*side).get("default") for side in ((self.old, old), (self.new, new)))
        if not same(before, after):
            verb = "added" if before is None else "removed" if after is None else "changed"
            self.findings.add(f"default-{verb}", place, f"{shown(before)} is now {shown(after)}")

    def _compare_names(self, place: str, old: Json, new: Json) -> str:
        """Note that a schema is called otherwise, and return the place to name for what is in it."""
        before, after = reference_name(old), reference_name(new)
        self.paired[0].update(_names_on_the_way(self.old, before))
        self.paired[1].update(_names_on_the_way(self.new, after))
        if before is None or after is None:
            return place
        if before != after and before not in self._new_names:
            self.findings.add("schema-renamed", before, f"now {after}")
        return before if before == after or before not in self._new_names else place

    def _compare_texts(self, place: str, old: Object, new: Object) -> None:
        for key in TEXTS:
            self.findings.text(place, old.get(key), new.get(key))
        personal = bool(new.get("x-personal"))
        if bool(old.get("x-personal")) != personal:
            self.findings.add("personal-marked" if personal else "personal-unmarked", place)

    def _compare_idle(self, place: str, old: Object, new: Object, kinds: set[str]) -> None:
        """Note keywords that say nothing about values of the types there are."""
        if "enum" in old and "enum" in new:
            old, new = ({key: value for key, value in flat.items() if key != "x-open"} for flat in (old, new))
        used = {"number" if kind == "integer" else kind for kind in kinds}
        idle = frozenset().union(*(keywords for kind, keywords in KEYWORDS.items() if kind not in used))
        if "anything" not in used:
            for key in idle & (old.keys() | new.keys()):
                self.findings.text(place, old.get(key), new.get(key))
        for key in ("nullable", "readOnly", "writeOnly", "x-open"):
            self.findings.text(place, old.get(key, False), new.get(key, False))

    def _compare_null(self, place: str, old: list[Shape], new: list[Shape]) -> tuple[list[Shape], list[Shape]]:
        """Note whether null has come or gone beside other values, and leave it out."""
        before, after = (any(shape.kind == "null" for shape in side) for side in (old, new))
        others = [[shape for shape in side if shape.kind != "null"] for side in (old, new)]
        if not all(others) or any(shape.kind == "anything" for shape in (*old, *new)):
            return old, new
        if before != after:
            self.findings.add("field-nullable" if after else "field-not-nullable", place)
        return others[0], others[1]

    def _compare_choices(self, place: str, old: list[Shape], new: list[Shape], kind: str) -> None:
        if len(old) == len(new) == 1:
            self._compare_shapes(place, old[0], new[0], kind)
            return
        any_before, any_after = (any(shape.kind == "anything" for shape in side) for side in (old, new))
        if any_before != any_after:
            self._retyped(place, old, new, "type-widened" if any_after else "type-narrowed")
            return
        couples, gone, added = matched(old, new, self._alike)
        for one, other in couples:
            # A choice that has a name is at home there; another is found by its type.
            inside = one.name if one.name is not None and one.name == other.name else place
            self._compare_shapes(inside, one, other, kind)
        for shape in gone:
            self.findings.add("choice-removed", place, said(shape))
        for shape in added:
            self.findings.add("choice-added", place, said(shape))

    def _alike(self, one: Shape, other: Shape) -> bool:
        return (one.kind, one.values, one.open) == (other.kind, other.values, other.open) and canonical(
            self.old, one.keywords
        ) == canonical(self.new, other.keywords)

    def _compare_shapes(self, place: str, old: Shape, new: Shape, kind: str) -> None:
        if old.name is not None and new.name is not None:
            self.paired[0].add(old.name)
            self.paired[1].add(new.name)
        if old.kind != new.kind:
            self._compare_types(place, old, new, kind)
        if old.kind == new.kind or {old.kind, new.kind} == {"integer", "number"}:
            compare_values(self.findings, place, old, new)
            compare_bounds(self.findings, place, old.keywords, new.keywords)
            self._compare_conditions(place, old, new)
            self._compare_format(place, old, new, kind)
            if old.kind == "array":
                self._compare_items(place, old.keywords, new.keywords)
            if old.kind == "object":
                compare_objects(self, place, old.keywords, new.keywords)

    def _compare_types(self, place: str, old: Shape, new: Shape, kind: str) -> None:
        match old.kind, new.kind:
            case ("integer", "number") | (_, "anything") | ("nothing", _):
                self._retyped(place, [old], [new], "type-widened")
            case ("number", "integer") | ("anything", _) | (_, "nothing"):
                self._retyped(place, [old], [new], "type-narrowed")
            case _:
                self._retyped(place, [old], [new], f"{kind}-changed")

    def _retyped(self, place: str, old: Iterable[Shape], new: Iterable[Shape], rule: str) -> None:
        before, after = (" or ".join(map(said, side)) for side in (old, new))
        self.findings.add(rule, place, f"{before} is now {after}")

    def _compare_conditions(self, place: str, old: Shape, new: Shape) -> None:
        for key in CONDITIONS:
            if key not in old.keywords and key not in new.keywords:
                continue
            before, after = old.keywords.get(key), new.keywords.get(key)
            if canonical(self.old, before) != canonical(self.new, after):
                verb = "added" if before is None else "removed" if after is None else "changed"
                self.findings.add(f"condition-{verb}", place, f"`{key}`")
        before, after = old.keywords.get("patternProperties", {}), new.keywords.get("patternProperties", {})
        for pattern, one, other in pairs(before, after):
            if one is None or other is None:
                verb = "added" if one is None else "removed"
                self.findings.add(f"condition-{verb}", place, f"fields called like {pattern}")
            else:
                self.compare(f"{place}./{pattern}/", one, other)

    def _compare_format(self, place: str, old: Shape, new: Shape, kind: str) -> None:
        for key in ("contentEncoding", "contentMediaType"):
            if old.keywords.get(key) != new.keywords.get(key):
                before, after = shown(old.keywords.get(key)), shown(new.keywords.get(key))
                self.findings.add("encoding-changed", place, f"{key} {before} is now {after}")
        one, other = old.keywords.get("format"), new.keywords.get("format")
        if one == other:
            return
        detail = f"format {shown(one)} is now {shown(other)}"
        if not {one, other} - NUMERIC_FORMATS - {None} or old.kind != "string":
            self.findings.add("text-changed", place)
        elif one in TYPED_FORMATS and other in TYPED_FORMATS:
            self.findings.add(f"{kind}-changed", place, f"{said(old)} is now {said(new)}")
        elif one in TYPED_FORMATS or other in TYPED_FORMATS:
            self.findings.add("format-added" if other in TYPED_FORMATS else "format-removed", place, detail)
        else:
            self.findings.add("bounds-loosened" if other is None else "bounds-tightened", place, detail)

    def _compare_items(self, place: str, old: Object, new: Object) -> None:
        first, second = old.get("prefixItems", []), new.get("prefixItems", [])
        for number in range(max(len(first), len(second))):
            sides = [
                side[number] if number < len(side) else keywords.get("items", True)
                for side, keywords in ((first, old), (second, new))
            ]
            self.compare(f"{place}[{number}]", *sides)
        self.compare(f"{place}[]", old.get("items", True), new.get("items", True))


def _unchanged(old: Object, new: Object) -> dict[str, set[str]]:
    """Return the schemas that are equal to the last word, with all that they refer to; most are in most updates."""
    uses = {
        name: {holder["$ref"].removeprefix(SCHEMAS) for _, holder in references(schema)} | {name}
        for name, schema in old.items()
        if name in new and same(schema, new[name])
    }
    while broken := [name for name, used in uses.items() if not used <= uses.keys()]:
        for name in broken:
            del uses[name]
    grown = True
    while grown:
        grown = False
        for used in uses.values():
            whole = used.union(*(uses[name] for name in used))
            grown = grown or len(whole) > len(used)
            used.update(whole)
    return uses


def _names_on_the_way(document: Mapping[str, Any], name: str | None) -> Iterator[str]:
    """Yield the name of a schema, and those of the schemas that it is nothing but a reference to."""
    seen: set[str] = set()
    while name is not None and name not in seen:
        seen.add(name)
        yield name
        name = reference_name(document["components"]["schemas"].get(name))


def _text(schema: Json) -> str:
    return json.dumps(schema, sort_keys=True, ensure_ascii=False)


def _notation(flat: Object) -> str:
    """Return how a schema says which values there are, whatever the order."""
    unions = sorted((kind, sorted(map(_text, choices))) for kind, choices in flat.get("unions", ()))
    types_ = sorted(types(flat["type"])) if "type" in flat else []
    return _text([unions, types_, sorted(map(_text, flat.get("enum", ())))])
