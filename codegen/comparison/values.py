"""Compares the single values that two shapes of one type allow: enumerations and bounds."""

from collections.abc import Iterator
from typing import Any

from codegen.comparison.changes import Findings, shown
from codegen.description.flatten import LOWER, UPPER, same
from codegen.description.shapes import Shape
from codegen.documents import Json, Object

BOUNDS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)


def compare_values(findings: Findings, place: str, old: Shape, new: Shape) -> None:
    """Note the values that an enumeration has gained or lost."""
    match old.values, new.values:
        case None, None:
            pass
        case None, _:
            findings.add("values-listed" if new.open else "values-restricted", place, _listed(new.values))
        case _, None:
            findings.add("values-unlisted" if old.open else "values-unrestricted", place, _listed(old.values))
        case list(before), list(after):
            if old.open != new.open:
                findings.add("enum-opened" if new.open else "enum-closed", place)
            for value in _without(before, after):
                findings.add("value-removed", f"{place}.{shown(value)}")
            for value in _without(after, before):
                findings.add("value-added" if old.open else "closed-value-added", f"{place}.{shown(value)}")


def _without(values: list[Json], others: list[Json]) -> Iterator[Json]:
    for value in values:
        if not any(same(value, other) for other in others):
            yield value


def _listed(values: Any) -> str:
    return ", ".join(map(shown, values or ()))


def compare_bounds(findings: Findings, place: str, old: Object, new: Object) -> None:
    """Note the bounds of values that allow more or less than before."""
    for key in BOUNDS:
        before, after = old.get(key), new.get(key)
        if before != after:
            _note(findings, place, key, before, after, looser=_is_looser(key, before, after))
    for keys, sign in ((("minimum", "exclusiveMinimum"), 1), (("maximum", "exclusiveMaximum"), -1)):
        before, after = (_limit(bounds, *keys, sign=sign) for bounds in (old, new))
        if before != after:
            said = [_limit_text(bounds, *keys) for bounds in (old, new)]
            _note(findings, place, keys[0], *said, looser=before is not None and (after is None or after < before))
    before, after = old.get("pattern"), new.get("pattern")
    if before != after:
        _note(findings, place, "pattern", before, after, looser=after is None)
    if bool(old.get("uniqueItems")) != bool(new.get("uniqueItems")):
        unique = bool(new.get("uniqueItems"))
        _note(findings, place, "uniqueItems", not unique, unique, looser=not unique)
    before, after = old.get("multipleOf"), new.get("multipleOf")
    if not same(before, after):
        _note(findings, place, "multipleOf", before, after, looser=_is_finer(before, after))


def _note(findings: Findings, place: str, key: str, before: Json, after: Json, *, looser: bool) -> None:
    detail = f"{key} {shown(before)} is now {shown(after)}"
    findings.add("bounds-loosened" if looser else "bounds-tightened", place, detail)


def _is_looser(key: str, before: Json, after: Json) -> bool:
    if before is None or after is None:
        return after is None
    return bool((key in UPPER and after > before) or (key in LOWER and after < before))


def _limit(bounds: Object, inclusive: str, exclusive: str, *, sign: int) -> tuple[float, bool] | None:
    """Return the tightest limit of numbers, greater where it is tighter, and whether it is excluded itself."""
    limits = [(sign * bounds[key], key == exclusive) for key in (inclusive, exclusive) if key in bounds]
    return max(limits, default=None)


def _limit_text(bounds: Object, inclusive: str, exclusive: str) -> str:
    said = [
        f"{bounds[key]}{' excluded' if key == exclusive else ''}" for key in (inclusive, exclusive) if key in bounds
    ]
    return " and ".join(said) or "none"


def _is_finer(before: Json, after: Json) -> bool:
    if before is None or after is None:
        return after is None
    steps = before / after
    return bool(abs(steps - round(steps)) < 1e-9)  # a step such as 0.1 has no exact form
