"""Columns of a table, found by the names that a mapping gives them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.fields.cells import cleaned
from kaspi_delivery_async.order_files.fields.columns import COLUMNS, ORDER_ID
from kaspi_delivery_async.order_files.mapping.records import Record
from kaspi_delivery_async.order_files.tables.heading import spelling
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from kaspi_delivery_async.order_files.mapping.definition.model import Mapping, Rule, Source
    from kaspi_delivery_async.order_files.tables.heading import Heading
    from kaspi_delivery_async.order_files.tables.rows import Row, Table
    from kaspi_delivery_async.order_files.tables.search import Missing

_REQUIRED = frozenset(column.path for column in COLUMNS if column.required)
_ADDRESSES = frozenset(column.path for column in COLUMNS if column.path.endswith(".address"))


@attrs.frozen
class _FoundPart:
    """The columns of a `Part` that a table has; the first filled cell counts."""

    columns: tuple[int, ...]
    is_optional: bool = False

    def text(self, cells: Sequence[str]) -> str:
        return next((cells[column] for column in self.columns if column < len(cells) and cells[column]), "")


@attrs.frozen
class _Test:
    """A rule, and the columns of which it tests the first cell that is filled."""

    rule: Rule
    part: _FoundPart
    keeps: bool


@attrs.frozen
class MappedColumns:
    """The columns of a table, by what a mapping calls them."""

    mapping: Mapping
    table: Table
    sources: dict[str, list[list[_FoundPart]]]
    """The alternatives of each field that has a column."""
    key: _FoundPart
    quantity: _FoundPart | None
    tests: list[_Test]
    needed: int
    """How many cells a row of the table has at least."""

    @classmethod
    def of(cls, mapping: Mapping, table: Table, path: Path) -> MappedColumns:
        """Find the columns; raises `InvalidRequestError` that names those that the table lacks."""
        heading = table.heading
        missing = mapped_heading(mapping)(heading)
        if missing:
            shown = ", ".join(repr(name) for name in heading.names if name) or "none"
            raise InvalidRequestError(
                place(path, heading.row, table.unit),
                f"the file has no column {', '.join(map(repr, missing))} (named in {mapping.name}); its columns: "
                f"{shown}",
            )
        sources = {
            field: alternatives
            for field, source in mapping.columns.items()
            if (alternatives := _alternatives(field, source, heading))
        }
        group = mapping.group
        by = group.by if group is not None else ORDER_ID
        required = [column for field in _REQUIRED & sources.keys() for column in _all_columns(sources[field])]
        found = cls(
            mapping=mapping,
            table=table,
            sources=sources,
            key=sources[by][0][0] if by in sources else _FoundPart(tuple(heading.find(by))),
            quantity=_found(group.quantity, heading) if group is not None else None,
            tests=list(_tests(mapping, heading)),
            needed=1 + max(required, default=0),
        )
        found._check(path)
        return found

    def record(self, row: Row) -> Record:
        """Return what a row says."""
        cells = [cleaned(cell) for cell in row.cells]
        problems = [row.problem] if row.problem is not None else []
        width = len(self.table.heading.names)
        if self.table.unit == "line" and not row.problem and not self.needed <= len(cells) <= width:
            problems.append(
                f"has {len(cells)} cells, and the header has {width}; a cell that contains the delimiter needs quotes"
            )
        fields = {field: self._text(field, cells) for field in self.sources}
        problems += self._incomplete_addresses(cells)
        return Record(
            row=row.number,
            fields={field: text for field, text in fields.items() if text},
            quantity=self.quantity.text(cells) if self.quantity is not None else "",
            tests=[test.part.text(cells) for test in self.tests],
            problems=problems,
            is_hidden=row.is_hidden,
            cells=[cell for cell in cells if cell][:3],
        )

    def key_of(self, row: Row, record: Record) -> str:
        """Return what is the same on all rows of an order."""
        group = self.mapping.group
        if group is None or group.by in self.mapping.columns:
            return record.fields.get(group.by if group is not None else ORDER_ID, "")
        return self.key.text([cleaned(cell) for cell in row.cells])

    def is_continued(self, row: int, *, since: int) -> bool:
        """Whether the order's id is in a merged cell that begins in row ``since``."""
        return self.table.is_continued(row, self.key.columns[0], since=since)

    def is_once(self, field: str) -> bool:
        """Whether a number is the same on each row of an order, and taken once."""
        group, column = self.mapping.group, self.sources[field][0][0].columns[0]
        if _is_once(self.mapping.columns[field], column, self.table.heading):
            return True
        return group is not None and field in group.once

    def shown(self, field: str, row: int) -> str:
        """Return the name of a field's cell."""
        if field not in self.sources:
            return f"{field} ({self.mapping.name})"
        parts = self.sources[field][0]
        names = " + ".join(repr(self.table.heading.names[part.columns[0]]) for part in parts)
        cell = self.table.cell(row, parts[0].columns[0])
        return f"column {names} ({field})" if cell is None else f"cell {cell}, column {names} ({field})"

    def _text(self, field: str, cells: Sequence[str]) -> str:
        texts = [text for part in self._filled(field, cells) if (text := part.text(cells))]
        if len(texts) > 1 and re.match(rf"{re.escape(spelling(texts[0]))}\s*,", spelling(texts[1])):
            del texts[0]  # the address names its city itself
        return self.mapping.columns[field].join.join(texts)

    def _filled(self, field: str, cells: Sequence[str]) -> list[_FoundPart]:
        """Return the columns of the first alternative that has any text."""
        no_parts: list[_FoundPart] = []
        return next((parts for parts in self.sources[field] if any(part.text(cells) for part in parts)), no_parts)

    def _incomplete_addresses(self, cells: Sequence[str]) -> Iterator[str]:
        """Yield a problem for each address of which only the beginning, such as the city, is there."""
        for field in self.sources.keys() & _ADDRESSES:
            needed = [part for part in self._filled(field, cells) if not part.is_optional]
            if needed and not needed[-1].text(cells):
                names = self.table.heading.names
                yield f"{names[needed[-1].columns[0]]!r} is empty, so {field} has no street; fill it in"

    def _check(self, path: Path) -> None:
        """Raise `InvalidRequestError` if a needed field comes from nowhere, or a column could be two."""
        heading = self.table.heading
        given = {*self.sources, *self.mapping.constants, *self.mapping.defaults}
        gaps = [column.path for column in COLUMNS if column.required and column.path not in given]
        if gaps:
            raise InvalidRequestError(
                place(path, heading.row, self.table.unit),
                f"the file has no column for {', '.join(gaps)}, and {self.mapping.name} has no constant or default for "
                "it",
            )
        asked_for = self._asked_for()
        for column in self._used_columns():
            name = heading.names[column]
            if len(heading.find(name)) > 1 and spelling(name) in asked_for:
                group = f", such as {heading.groups[column]!r} / {name!r}" if heading.groups else ""
                raise InvalidRequestError(
                    place(path, heading.row, self.table.unit),
                    f"the heading has {name!r} more than once; give the columns names of their own{group}",
                )

    def _used_columns(self) -> Iterator[int]:
        for alternatives in self.sources.values():
            yield from (part.columns[0] for parts in alternatives for part in parts)
        yield from (part.columns[0] for part in (self.quantity, *(test.part for test in self.tests)) if part)

    def _asked_for(self) -> set[str]:
        names = [name for source in self.mapping.columns.values() for name in source.names]
        names += [name for rule in (*self.mapping.skip, *self.mapping.keep) for name in rule.names]
        return {spelling(name) for name in names}


def mapped_heading(mapping: Mapping) -> Missing:
    """Return the rule for a mapping's heading: it names all columns that are needed."""

    def missing(heading: Heading) -> list[str]:
        lacking = [
            name for source in mapping.columns.values() if not source.is_optional for name in _lacking(source, heading)
        ]
        rules: tuple[Rule, ...] = (*mapping.skip, *mapping.keep)
        lacking += [
            rule.names[0]
            for rule in rules
            if not rule.is_optional and not any(heading.find(name) for name in rule.names)
        ]
        group = mapping.group
        if group is not None:
            if group.quantity and not any(heading.find(name) for name in group.quantity):
                lacking.append(group.quantity[0])
            if group.by not in mapping.columns and not heading.find(group.by):
                lacking.append(group.by)
        if not any(heading.find(name) for name in mapping.columns[ORDER_ID].names):
            lacking.append(mapping.columns[ORDER_ID].names[0])
        return list(dict.fromkeys(lacking))

    return missing


def _lacking(source: Source, heading: Heading) -> list[str]:
    """Return the columns that a heading lacks for that alternative of which it has most."""
    lacking = [
        [part.names[0] for part in parts if not part.is_optional and _found(part.names, heading) is None]
        for parts in source.alternatives
    ]
    return min(lacking, key=len)


def _alternatives(field: str, source: Source, heading: Heading) -> list[list[_FoundPart]]:
    """Return the columns of a field that a heading has; those of a city alone are no address."""
    alternatives: list[list[_FoundPart]] = []
    for parts in source.alternatives:
        found = [_found(part.names, heading, is_optional=part.is_optional) for part in parts]
        required = [columns for part, columns in zip(parts, found, strict=True) if not part.is_optional]
        if any(required) and (field not in _ADDRESSES or required[-1] is not None):
            alternatives.append([_alike(columns, source, heading) for columns in found if columns is not None])
    return alternatives


def _alike(part: _FoundPart, source: Source, heading: Heading) -> _FoundPart:
    """Return the columns of a part without those that are of the whole order where the first is not, or the reverse."""
    first = _is_once(source, part.columns[0], heading)
    columns = tuple(column for column in part.columns if _is_once(source, column, heading) == first)
    return attrs.evolve(part, columns=columns)


def _is_once(source: Source, column: int, heading: Heading) -> bool:
    return spelling(heading.names[column]) in source.once


def _all_columns(alternatives: Iterable[Iterable[_FoundPart]]) -> Iterator[int]:
    return (column for parts in alternatives for part in parts for column in part.columns)


def _found(names: Iterable[str], heading: Heading, *, is_optional: bool = False) -> _FoundPart | None:
    columns = tuple(heading.find(name)[0] for name in names if heading.find(name))
    return _FoundPart(columns, is_optional) if columns else None


def _tests(mapping: Mapping, heading: Heading) -> Iterator[_Test]:
    """Yield the tests of a table: a row is skipped for any of a rule's columns, and kept for the first filled one."""
    for rule in mapping.skip:
        part = _found(rule.names, heading)
        if part is not None:
            yield from (_Test(rule, _FoundPart((column,)), keeps=False) for column in part.columns)
    for rule in mapping.keep:
        part = _found(rule.names, heading)
        if part is not None:
            yield _Test(rule, part, keeps=True)
