"""Finds out which choices of two unions are meant to be the same."""

from collections.abc import Callable, Sequence
from itertools import combinations

from codegen.description.flatten import same
from codegen.description.shapes import Shape

Couples = list[tuple[Shape, Shape]]
Same = Callable[[Shape, Shape], bool]


def matched(old: Sequence[Shape], new: Sequence[Shape], alike: Same) -> tuple[Couples, list[Shape], list[Shape]]:
    """Return the choices that belong together, those that are gone and those that are new; order means nothing."""
    couples: Couples = []
    left, right = list(old), list(new)
    for belong in (alike, _same_name, _same_tag):
        _couple(couples, left, right, belong)
    for belong in (_same_kind, _same_family):
        _couple(couples, left, right, lambda one, other, belong=belong: _only(one, other, left, right, belong))  # type: ignore[misc]
    _couple(couples, left, right, lambda one, other: one.name is None and other.name is None and _same_kind(one, other))
    return couples, left, right


def _couple(couples: Couples, left: list[Shape], right: list[Shape], belong: Same) -> None:
    for one in list(left):
        other = next((shape for shape in right if belong(one, shape)), None)
        if other is not None:
            couples.append((one, other))
            left.remove(one)
            right.remove(other)


def _same_name(one: Shape, other: Shape) -> bool:
    return one.name is not None and one.name == other.name and one.kind == other.kind


def _same_tag(one: Shape, other: Shape) -> bool:
    """Whether two objects have a field that can only be one and the same text."""
    return any(
        field in _tags(other) and same(values, _tags(other)[field]) for field, values in _tags(one).items()
    ) and _same_kind(one, other)


def _same_kind(one: Shape, other: Shape) -> bool:
    return one.kind == other.kind


def _same_family(one: Shape, other: Shape) -> bool:
    return {one.kind, other.kind} == {"integer", "number"}


def _only(one: Shape, other: Shape, left: Sequence[Shape], right: Sequence[Shape], belong: Same) -> bool:
    """Whether no other choice on either side comes into question."""
    return (
        belong(one, other)
        and sum(belong(shape, other) for shape in left) == 1
        and sum(belong(one, shape) for shape in right) == 1
    )


def _tags(shape: Shape) -> dict[str, object]:
    """Return the required fields of an object that have a value given, which distinguish it from other choices."""
    required = shape.keywords.get("required", [])
    fields = shape.keywords.get("properties", {})
    given = {name: part for name, part in fields.items() if name in required and isinstance(part, dict)}
    constants = {name: [part["const"]] for name, part in given.items() if "const" in part}
    return constants | {name: part["enum"] for name, part in given.items() if "enum" in part}


def are_disjoint(choices: Sequence[Shape]) -> bool:
    """Whether no value fits two choices, as far as types, values and tags show."""
    return all(_apart(one, other) for one, other in combinations(choices, 2))


def _apart(one: Shape, other: Shape) -> bool:
    if one.kind != other.kind and not _same_family(one, other) and "anything" not in (one.kind, other.kind):
        return True
    if one.values is not None and other.values is not None and not (one.open or other.open):
        return not any(same(value, this) for value in one.values for this in other.values)
    mine, theirs = _tags(one), _tags(other)
    return any(
        isinstance(values, list)
        and isinstance(others := theirs.get(field), list)
        and not any(same(value, this) for value in values for this in others)
        for field, values in mine.items()
    )
