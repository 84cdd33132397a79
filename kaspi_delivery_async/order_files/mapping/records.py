"""What a row of a mapped table says: the texts of its fields, before rows become orders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.fields.cells import cleaned
from kaspi_delivery_async.order_files.fields.columns import COLUMNS, ORDER_ID
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
_TOTAL = re.compile(r"(?:итого|всего|(?:grand |sub)?total|барлығы|жиыны)([\s:(].*)?", re.IGNORECASE | re.DOTALL)
_OF_ALL = re.compile(
    r"[\s:(]*(?:(?:по|за|к оплате|сумма|заказ|товар|строк|позици|бойынша|amount|sum|of|for|order|item)\w*\b.*)?",
    re.IGNORECASE | re.DOTALL,
)
"""What follows the word in the column of articles."""


@attrs.define
class Record:
    """A row of an order."""

    row: int
    fields: dict[str, str]
    """The texts that stand in the columns of each field; empty ones are left out."""
    quantity: str
    tests: list[str]
    """The cell that each test of the table looks at."""
    problems: list[str]
    is_hidden: bool = False
    has_lost_letters: bool = False
    cells: list[str] = attrs.field(factory=list[str])
    """The first cells that hold anything, for rows that are no orders."""


@attrs.frozen
class _Part:
    columns: tuple[int, ...]


@attrs.frozen
class _Test:
    """A rule, and the columns of which it tests the first cell that is filled."""

    rule: Rule
    part: _Part
    keeps: bool


@attrs.frozen
class Columns:
    """The columns of a table, by what a mapping calls them."""

    mapping: Mapping
    table: Table
    sources: dict[str, list[_Part]]
    key: list[_Part]
    quantity: list[_Part]
    tests: list[_Test]
    needed: int
    """How many cells a row of the table has at least."""

    @classmethod
    def of(cls, mapping: Mapping, table: Table, path: Path) -> Columns:
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
        sources = {field: list(_parts(source.parts, heading)) for field, source in mapping.columns.items()}
        group = mapping.group
        by = group.by if group is not None else ORDER_ID
        found = cls(
            mapping=mapping,
            table=table,
            sources={field: parts for field, parts in sources.items() if parts},
            key=sources.get(by) or list(_parts(((by,),), heading)),
            quantity=list(_parts((group.quantity,), heading)) if group is not None and group.quantity else [],
            tests=list(_tests(mapping, heading)),
            needed=1
            + max(
                (
                    column
                    for field, parts in sources.items()
                    for part in parts
                    for column in part.columns
                    if field in _REQUIRED
                ),
                default=0,
            ),
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
        fields = {field: self._text(self.mapping.columns[field], parts, cells) for field, parts in self.sources.items()}
        return Record(
            row=row.number,
            fields={field: text for field, text in fields.items() if text},
            quantity=_first(self.quantity[0], cells) if self.quantity else "",
            tests=[_first(test.part, cells) for test in self.tests],
            problems=problems,
            is_hidden=row.is_hidden,
            cells=[cell for cell in cells if cell][:3],
        )

    def key_of(self, row: Row, record: Record) -> str:
        """Return what is the same on all rows of an order."""
        group = self.mapping.group
        if group is None or group.by in self.mapping.columns:
            return record.fields.get(group.by if group is not None else ORDER_ID, "")
        return _first(self.key[0], [cleaned(cell) for cell in row.cells])

    def is_continued(self, row: int, *, since: int) -> bool:
        """Whether the order's id is in a merged cell that begins in row ``since``."""
        column = self.key[0].columns[0]
        return self.table.is_continued(row, column, since=since)

    def shown(self, field: str, row: int) -> str:
        """Return the name of a field's cell."""
        parts = self.sources.get(field)
        if parts is None:
            return f"{field} ({self.mapping.name})"
        names = " + ".join(repr(self.table.heading.names[part.columns[0]]) for part in parts)
        cell = self.table.cell(row, parts[0].columns[0])
        return f"column {names} ({field})" if cell is None else f"cell {cell}, column {names} ({field})"

    def _text(self, source: Source, parts: Iterable[_Part], cells: Sequence[str]) -> str:
        texts = [text for text in (_first(part, cells) for part in parts) if text]
        if len(texts) > 1 and re.match(rf"{re.escape(spelling(texts[0]))}\s*,", spelling(texts[1])):
            del texts[0]  # the address names its city itself
        return source.join.join(texts)

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
        for parts in (*self.sources.values(), self.quantity, [test.part for test in self.tests]):
            for part in parts:
                name = heading.names[part.columns[0]]
                if len(heading.find(name)) > 1 and spelling(name) in self._asked_for():
                    group = f", such as {heading.groups[part.columns[0]]!r} / {name!r}" if heading.groups else ""
                    raise InvalidRequestError(
                        place(path, heading.row, self.table.unit),
                        f"the heading has {name!r} more than once; give the columns names of their own{group}",
                    )

    def _asked_for(self) -> set[str]:
        names = [name for source in self.mapping.columns.values() for part in source.parts for name in part]
        names += [name for rule in (*self.mapping.skip, *self.mapping.keep) for name in rule.names]
        return {spelling(name) for name in names}


def matched(text: str, source: Source) -> str | None:
    """Return what a field's pattern takes of a text, or None if it does not match."""
    if source.pattern is None:
        return text
    match = source.pattern.search(text)
    if match is None:
        return None
    return (match[1] if match.re.groups else match[0]) or ""


def mapped_heading(mapping: Mapping) -> Missing:
    """Return the rule for a mapping's heading: it names all columns that are needed."""

    def missing(heading: Heading) -> list[str]:
        lacking = [
            part[0]
            for source in mapping.columns.values()
            if not source.is_optional
            for part in source.parts
            if not any(heading.find(name) for name in part)
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
        if not any(heading.find(name) for part in mapping.columns[ORDER_ID].parts for name in part):
            lacking.append(mapping.columns[ORDER_ID].parts[0][0])
        return list(dict.fromkeys(lacking))

    return missing


def is_total(record: Record, key: str) -> bool:
    """Whether a row is a total: it has no order id, and says so."""
    if key:
        return _TOTAL.fullmatch(key) is not None
    description = record.fields.get("parcel.description", "")
    # An article may be called "Total Quartz 9000".
    return any(
        cell not in description or _OF_ALL.fullmatch(found[1] or "") is not None
        for cell in record.cells
        if (found := _TOTAL.fullmatch(cell))
    )


def _tests(mapping: Mapping, heading: Heading) -> Iterator[_Test]:
    """Yield the tests of a table: a row is skipped for any of a rule's columns, and kept for the first filled one."""
    for rule in mapping.skip:
        for part in _parts((rule.names,), heading):
            yield from (_Test(rule, _Part((column,)), keeps=False) for column in part.columns)
    for rule in mapping.keep:
        yield from (_Test(rule, part, keeps=True) for part in _parts((rule.names,), heading))


def _parts(parts: Iterable[tuple[str, ...]], heading: Heading) -> Iterator[_Part]:
    for names in parts:
        columns = tuple(heading.find(name)[0] for name in names if heading.find(name))
        if columns:
            yield _Part(columns)


def _first(part: _Part, cells: Sequence[str]) -> str:
    return next((cells[column] for column in part.columns if column < len(cells) and cells[column]), "")
