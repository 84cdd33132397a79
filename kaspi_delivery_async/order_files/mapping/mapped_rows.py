"""The rows of a mapped table as orders: gathered, filtered, and never half of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.fields.cells import order_id_problem
from kaspi_delivery_async.order_files.fields.columns import ORDER_ID
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.lost_letters import LostLetters
from kaspi_delivery_async.order_files.mapping.combining import combined
from kaspi_delivery_async.order_files.mapping.mapped_columns import MappedColumns, mapped_heading
from kaspi_delivery_async.order_files.mapping.records import Record, is_total, matched
from kaspi_delivery_async.order_files.mapping.spool import Spool
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kaspi_delivery_async.order_files.mapping.definition.model import Mapping
    from kaspi_delivery_async.order_files.mapping.left_out import LeftOutOrders
    from kaspi_delivery_async.order_files.tables.rows import Table
    from kaspi_delivery_async.order_files.tables.search import Missing


class MappedRows:
    """Reads tables by a mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self.missing: Missing = mapped_heading(mapping)
        self.allows_look_alikes: bool = mapping.allows_look_alikes

    def read(self, table: Table, path: Path, left_out: LeftOutOrders) -> Iterator[Line]:
        """Yield the orders of a table, once all of it is read; one that cannot be sent becomes a line with its error.

        Raises `InvalidRequestError` for a heading that lacks a column.
        """
        columns = MappedColumns.of(self._mapping, table, path)
        with Spool() as spool, LostLetters(path) as letters:
            _gather(table, columns, spool, letters, left_out)
            for records in spool.orders():
                line = _Order(columns, path, records, left_out).line()
                if line is not None:
                    yield line


def _gather(table: Table, columns: MappedColumns, spool: Spool, letters: LostLetters, left_out: LeftOutOrders) -> None:
    """Read all rows; one without an order id belongs to nobody, and the order above may lack it."""
    key, since = "", 0
    unreadable: Record | None = None
    for row in table.rows():
        record = columns.record(row)
        record.has_lost_letters = letters.look(row)
        text = columns.key_of(row, record)
        own_key = _key(text, columns)
        if not text and columns.is_continued(row.number, since=since):
            own_key = key
        elif is_total(record, text):
            left_out.add("total", f"{record.cells[0]} ({table.unit} {row.number})")
            continue
        elif own_key:
            if unreadable is not None and own_key != key:
                spool.add(own_key, record)
                record, unreadable = unreadable, None  # it may have been the first row of this order
            key, since = own_key, row.number
        elif record.fields or record.problems:
            reason = None if record.problems else _reason(columns, record, blank_is_kept=True)
            if reason is not None:
                left_out.add(reason[0], f"{table.unit} {row.number}", is_expected=reason[1])
                continue
            record.problems.append(
                "has no order id, so it may be an article of the order above" if key else "has no order id"
            )
            own_key = key or f"\0{row.number}"  # which is no order's id
            if row.problem is not None and columns.mapping.group is not None:
                unreadable = record
        else:
            continue
        spool.add(own_key, record)


def _key(text: str, columns: MappedColumns) -> str:
    """Return what is the same on all rows of an order."""
    group = columns.mapping.group
    source = columns.mapping.columns.get(group.by if group is not None else ORDER_ID)
    if source is not None and text:
        text = matched(text, source) or text
    if not text or order_id_problem(text) is not None:
        return storable(text)
    return storable(canonical_order_id(text))


def _reason(columns: MappedColumns, record: Record, *, blank_is_kept: bool = False) -> tuple[str, bool] | None:
    """Return why a row is no order of ours, and whether a rule says so; None if it is one.

    ``blank_is_kept`` is for rows that may leave empty what the row above has said, or that could not be read.
    """
    names = columns.table.heading.names
    kept: dict[int, tuple[bool, str]] = {}
    for test, text in zip(columns.tests, record.tests, strict=True):
        column, matches = test.part.columns[0], test.rule.matches(text)
        if test.keeps:
            before = kept.get(column, (blank_is_kept and not text, text))[0]
            kept[column] = before or matches, text
        elif matches:
            return f"{names[column]}: {text}", True
    for column, (is_kept, text) in kept.items():
        if not is_kept:
            return f"{names[column]}: {text or 'empty'}, which the mapping neither keeps nor skips", False
    return None


class _Order:
    """The rows of one order."""

    def __init__(self, columns: MappedColumns, path: Path, records: Sequence[Record], left_out: LeftOutOrders) -> None:
        self._columns = columns
        self._path = path
        self._records = records
        self._left_out = left_out
        unit = columns.table.unit
        numbers = [record.row for record in records]
        self._place = (
            place(path, numbers[0], unit)
            if len(numbers) == 1
            else f"{place(path, numbers[0], f'{unit}s')}{''.join(f', {number}' for number in numbers[1:20])}"
            + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
        )

    def line(self) -> Line | None:
        """Return the order, or what is wrong with it; None if it is left out."""
        self._fill_tests()
        reasons = [_reason(self._columns, record, blank_is_kept=bool(record.problems)) for record in self._records]
        given = [reason for reason in reasons if reason is not None]
        if given and len(given) == len(reasons):
            reason, is_expected = given[0]
            self._left_out.add(reason, self._name(), is_expected=is_expected)
            return None
        problems = [f"{self._where(record)}{problem}" for record in self._records for problem in record.problems]
        if given:
            rows = ", ".join(
                str(record.row) for record, reason in zip(self._records, reasons, strict=True) if reason is not None
            )
            problems.append(
                f"{self._columns.table.unit} {rows} would be left out ({given[0][0]}), and the rest would not; half an "
                "order is never sent"
            )
        if problems:
            return Line(place=self._place, order=InvalidRequestError(self._place, "; ".join(problems)))
        order, warnings = combined(self._columns, self._records, self._place)
        return Line(place=self._place, order=order, warnings=warnings)

    def _fill_tests(self) -> None:
        """Let the rows below say what the first one says: many exports leave repeated cells empty."""
        for index in range(len(self._columns.tests)):
            first = next((record.tests[index] for record in self._records if record.tests[index]), "")
            for record in self._records:
                record.tests[index] = record.tests[index] or first

    def _where(self, record: Record) -> str:
        return f"{self._columns.table.unit} {record.row}: " if len(self._records) > 1 else ""

    def _name(self) -> str:
        record = self._records[0]
        name = record.fields.get(ORDER_ID) or "without order id"
        unit = self._columns.table.unit
        return f"{name} ({unit} {record.row})"
