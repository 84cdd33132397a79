"""Parts of a mapping: what a field's columns, a rule and a text may be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from kaspi_delivery_async.order_files.mapping.definition.model import Part, Rule, Source
from kaspi_delivery_async.order_files.tables.heading import spelling

if TYPE_CHECKING:
    from collections.abc import Iterable

Values = dict[str, Any]

_SOURCE = {"column", "columns", "first", "join", "pattern", "optional", "once"}
_RULE = {"column", "values", "pattern", "filled", "optional"}


class MappingProblem(Exception):
    """What is wrong with a mapping, and the keys that lead there."""

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(problem)


def only(table: Values, known: Iterable[str], path: tuple[str, ...]) -> None:
    """Raise `MappingProblem` for a key that is not known."""
    for key in table:
        if key not in known:
            raise MappingProblem((*path, key), f"is unknown; known are {', '.join(sorted(known))}")


def text_of(value: object, path: tuple[str, ...]) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise MappingProblem(path, "must be a text in quotes")
    return value


def texts_of(value: object, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list) or not value:
        raise MappingProblem(path, 'must be a list of texts, such as ["Город", "Адрес"]')
    return tuple(text_of(part, path) for part in cast("list[object]", value))


def names_of(value: object, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a column: one, or several to try."""
    return (text_of(value, path),) if isinstance(value, str) else texts_of(value, path)


def flag_of(table: Values, key: str, path: tuple[str, ...]) -> bool:
    """Return a flag; it is false where it is not given."""
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise MappingProblem((*path, key), "must be true or false")
    return value


def _pattern(table: Values, path: tuple[str, ...]) -> re.Pattern[str] | None:
    if "pattern" not in table:
        return None
    text = text_of(table["pattern"], (*path, "pattern"))
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise MappingProblem((*path, "pattern"), f"is no regular expression: {error}") from None


def source_of(value: object, field_path: str) -> Source:
    """Return the columns of a field."""
    path = ("columns", field_path)
    join = " " if field_path.endswith(".name") else ", "
    if isinstance(value, str):
        return Source(alternatives=((Part((text_of(value, path),)),),), join=join)
    if isinstance(value, list):
        return Source(alternatives=(_parts(cast("list[object]", value), path),), join=join)
    if not isinstance(value, dict):
        raise MappingProblem(path, 'must be the name of a column, a list of names, or a table { column = "…" }')
    table = cast("Values", value)
    only(table, _SOURCE, path)
    kinds = [kind for kind in ("column", "columns", "first") if kind in table]
    if len(kinds) != 1:
        raise MappingProblem(path, "needs one of: column, columns, first")
    if kinds == ["column"]:
        alternatives: tuple[tuple[Part, ...], ...] = ((Part((text_of(table["column"], (*path, "column")),)),),)
    elif kinds == ["first"]:
        alternatives = _alternatives(table["first"], (*path, "first"))
    else:
        alternatives = (_parts(table["columns"], (*path, "columns")),)
    if "join" in table:
        join = table["join"]
        if not isinstance(join, str):
            raise MappingProblem((*path, "join"), "must be a text in quotes")
    return Source(
        alternatives=alternatives,
        join=join,
        pattern=_pattern(table, path),
        is_optional=flag_of(table, "optional", path),
        once=_names_among(table, "once", alternatives, path),
    )


def _names_among(
    table: Values, key: str, alternatives: tuple[tuple[Part, ...], ...], path: tuple[str, ...]
) -> frozenset[str]:
    """Return, in their common spelling, names of columns that the same table has."""
    names = texts_of(table[key], (*path, key)) if key in table else ()
    known = {spelling(name) for parts in alternatives for part in parts for name in part.names}
    for name in names:
        if spelling(name) not in known:
            raise MappingProblem((*path, key), f"{name!r} is none of the columns beside it")
    return frozenset(map(spelling, names))


def _alternatives(value: object, path: tuple[str, ...]) -> tuple[tuple[Part, ...], ...]:
    """Return what to try: names of one column, or lists of columns to join."""
    listed = cast("list[object]", value) if isinstance(value, list) else []
    if any(isinstance(one, list) for one in listed):
        return tuple(_parts([one] if isinstance(one, str) else one, path) for one in listed)
    return ((Part(texts_of(listed, path)),),)


def _parts(value: object, path: tuple[str, ...]) -> tuple[Part, ...]:
    """Return the columns that are joined; a list in the list has names to try, a table may say that it is optional."""
    if not isinstance(value, list) or not value:
        raise MappingProblem(path, 'must be a list of names, such as ["Город", "Адрес"]')
    return tuple(_part(part, path) for part in cast("list[object]", value))


def _part(value: object, path: tuple[str, ...]) -> Part:
    if not isinstance(value, dict):
        return Part(names_of(value, path))
    table = cast("Values", value)
    only(table, {"first", "optional"}, path)
    return Part(names_of(table.get("first"), (*path, "first")), flag_of(table, "optional", path))


def rule_of(table: Values, name: str, number: int) -> Rule:
    """Return a rule for rows."""
    path = (name, str(number))
    only(table, _RULE, path)
    rule = Rule(
        names=names_of(table.get("column"), (*path, "column")),
        values=frozenset(spelling(text) for text in texts_of(table["values"], (*path, "values")))
        if "values" in table
        else frozenset(),
        pattern=_pattern(table, path),
        is_filled=flag_of(table, "filled", path),
        is_optional=flag_of(table, "optional", path),
    )
    if not (rule.values or rule.pattern or rule.is_filled):
        raise MappingProblem(path, "needs one of: values, pattern, filled = true")
    return rule
