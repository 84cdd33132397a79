"""Rows as orders, where each column is a field of an order, such as ``dropoff.contact.phone``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, checked_order, from_dict
from kaspi_delivery_async.order_files.fields.cells import cell_problem, cell_value, cleaned
from kaspi_delivery_async.order_files.fields.columns import ORDER_ID, ColumnNames, field_of, match_columns, put
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.lost_letters import LostLetters
from kaspi_delivery_async.order_files.tables.rows import place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kaspi_delivery_async.order_files.fields.columns import Column
    from kaspi_delivery_async.order_files.tables.heading import Heading
    from kaspi_delivery_async.order_files.tables.rows import Row, Table


@attrs.frozen
class PlainRows:
    """Reads tables whose columns are the fields of an order."""

    _names: ColumnNames
    allows_look_alikes: bool = False

    def missing(self, heading: Heading) -> Sequence[str]:
        """Return what a heading lacks: it is the one that names the column of the order ids."""
        columns = (field_of(name, self._names) for name in heading.names)
        return () if any(column and column.path == ORDER_ID for column in columns) else (ORDER_ID,)

    def read(self, table: Table, path: Path, left_out: object) -> Iterator[Line]:
        """Yield the orders of a table; a row that is none becomes a line with its error.

        Raises `InvalidRequestError` for a heading that lacks a column.
        """
        columns = match_columns(table.heading, self._names, path)
        orders = _Orders(table, path, columns, self._names.grouped_numbers)
        with LostLetters(path) as letters:
            for row in table.rows():
                letters.look(row)
                yield Line(place=place(path, row.number, table.unit), order=orders.order(row))


@attrs.frozen
class _Orders:
    table: Table
    path: Path
    columns: Sequence[Column | None]
    grouped_numbers: bool

    def order(self, row: Row) -> DeliveryRequest | InvalidRequestError:
        where = place(self.path, row.number, self.table.unit)
        if row.problem is not None:
            return InvalidRequestError(where, row.problem)
        names = self.table.heading.names
        cells = self._filled_up(row.cells)
        if cells is None:
            return InvalidRequestError(
                where,
                f"has {len(row.cells)} cells, and the header has {len(names)}; a cell that contains the delimiter "
                "needs quotes",
            )
        values: dict[str, Any] = {}
        problems: list[str] = []
        for number, (column, name, cell) in enumerate(zip(self.columns, names, cells, strict=True)):
            text = cleaned(cell)
            if column is None:
                if text and not name:
                    problems.append("a cell has no column name above it")
                continue
            problem = cell_problem(text, column, grouped_numbers=self.grouped_numbers)
            if problem is not None:
                problems.append(f"{self._shown(row.number, number)}: {problem}")
            elif text:
                put(values, column.path.split("."), cell_value(text, column))
        if problems:
            return InvalidRequestError(where, "; ".join(problems))
        try:
            return checked_order(from_dict(DeliveryRequest, values))
        except InvalidRequestError as error:
            return InvalidRequestError(where, "; ".join(self._by_columns(row.number, error)))

    def _filled_up(self, cells: Sequence[str]) -> Sequence[str] | None:
        """Return as many cells as there are columns; None if they may have moved.

        What ends a row early may be left out: spreadsheets leave out empty cells at the end.
        """
        missing = len(self.columns) - len(cells)
        if missing < 0:
            return None
        if self.table.unit == "line" and any(
            column is not None and column.required for column in self.columns[len(cells) :]
        ):
            return None
        return [*cells, *[""] * missing]

    def _by_columns(self, row: int, error: InvalidRequestError) -> Iterator[str]:
        """Name the column of each problem instead of its path."""
        numbers = {column.path: number for number, column in enumerate(self.columns) if column is not None}
        for path, problem in error.problems:
            yield f"{self._shown(row, numbers[path.removeprefix('$.')])}: {problem}"

    def _shown(self, row: int, number: int) -> str:
        column, name = self.columns[number], self.table.heading.names[number]
        path = column.path if column is not None else ""
        cell = self.table.cell(row, number)
        shown = path if name == path else f"{name!r} ({path})"
        return f"column {shown}" if cell is None else f"cell {cell}, column {shown}"
