"""CSV rows as orders; the columns are the paths of an order's fields, such as ``dropoff.contact.phone``."""

from __future__ import annotations

import csv
import logging
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, checked_order, from_dict
from kaspi_delivery_async.order_files.cells import cell_problem, cell_value, has_lost_letter
from kaspi_delivery_async.order_files.columns import Column, CsvFormat, column_name, match_columns
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.text_lines import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

DELIMITERS = ",;\t"

_LONGEST_HEADER = 100
"""Lines of a header whose quoted names have line breaks. Beyond that, a quote is not the beginning of such a name."""

_NAMED_LINES = 20
"""Lines that a warning names; the rest are counted."""

_logger = logging.getLogger(__name__)


def read_table(lines: Iterator[str], path: Path, form: CsvFormat) -> Iterator[Line]:
    """Yield the orders of a CSV file; a row that is none becomes a line with its error.

    Raises `InvalidRequestError` for a header that cannot be read.
    """
    table = _Table.open(lines, path, form)
    try:
        while (line := table.next_line()) is not None:
            yield line
    finally:
        table.warn()


@attrs.define(kw_only=True)
class _Table:
    """A CSV file behind its header."""

    rows: Any
    """The reader of the `csv` module, which has no public type."""
    path: Path
    names: Sequence[str]
    columns: Sequence[Column | None]
    grouped_numbers: bool
    lines_with_lost_letters: list[int] = attrs.field(factory=list[int])

    @classmethod
    def open(cls, lines: Iterator[str], path: Path, form: CsvFormat) -> _Table:
        header = _header(lines)
        if not header[0].strip():
            raise InvalidRequestError(
                place(path, 1), "the file is empty or begins with a blank line; expected column names"
            )
        delimiter = form.delimiter or _likely_delimiter(header)
        rows = csv.reader(chain(header, lines), delimiter=delimiter, strict=True)
        try:
            names = [column_name(name) for name in next(rows)]
        except csv.Error as error:
            raise InvalidRequestError(place(path, 1), f"cannot be read as CSV: {error}") from None
        columns = match_columns(names, form, path)
        return cls(rows=rows, path=path, names=names, columns=columns, grouped_numbers=form.grouped_numbers)

    def next_line(self) -> Line | None:
        """Return the next order or error; None at the end."""
        while True:
            number = self.rows.line_num + 1
            where = place(self.path, number)
            try:
                row: list[str] | None = next(self.rows, None)
            except csv.Error as error:
                # The reader goes on with the next line.
                last = self.rows.line_num
                swallowed = f"; a quote is open up to line {last}" if last > number else ""
                problem = f"cannot be read as CSV: {error}{swallowed}"
                return Line(place=where, order=InvalidRequestError(where, problem))
            if row is None:
                return None
            if any(cell.strip() for cell in row):
                if any("?" in cell and has_lost_letter(cell) for cell in row):
                    self.lines_with_lost_letters.append(number)
                return Line(place=where, order=self._order(row, where))

    def warn(self) -> None:
        """Log one warning if the file has lost letters."""
        numbers = self.lines_with_lost_letters
        if numbers:
            shown = ", ".join(map(str, numbers[:_NAMED_LINES]))
            more = f" and {len(numbers) - _NAMED_LINES} more" if len(numbers) > _NAMED_LINES else ""
            _logger.warning(
                "%s: a letter was probably lost, leaving a ? inside a word, on lines %s%s; the orders are read as they "
                "are: save the file as CSV UTF-8 to keep Kazakh letters",
                self.path.name,
                shown,
                more,
            )

    def _order(self, row: Sequence[str], where: str) -> DeliveryRequest | InvalidRequestError:
        if len(row) != len(self.columns):
            return InvalidRequestError(
                where,
                f"has {len(row)} cells, and the header has {len(self.columns)}; a cell that contains the delimiter "
                "needs quotes",
            )
        values: dict[str, Any] = {}
        problems: list[str] = []
        for column, name, cell in zip(self.columns, self.names, row, strict=True):
            text = cell.strip()
            if column is None:
                if text and not name:
                    problems.append("a cell has no column name above it")
                continue
            problem = cell_problem(text, column, grouped_numbers=self.grouped_numbers)
            if problem is not None:
                problems.append(f"column {_shown(column.path, name)}: {problem}")
            elif text:
                _put(values, column.path.split("."), cell_value(text, column))
        if problems:
            return InvalidRequestError(where, "; ".join(problems))
        try:
            return checked_order(from_dict(DeliveryRequest, values))
        except InvalidRequestError as error:
            return InvalidRequestError(where, "; ".join(self._by_columns(error)))

    def _by_columns(self, error: InvalidRequestError) -> Iterator[str]:
        """Name the column of each problem instead of its path."""
        names = {column.path: name for column, name in zip(self.columns, self.names, strict=True) if column is not None}
        for path, problem in error.problems:
            column = path.removeprefix("$.")
            yield f"column {_shown(column, names[column])}: {problem}"


def _header(lines: Iterator[str]) -> list[str]:
    """Return the lines of the header record: a quoted name may contain line breaks."""
    header = [next(lines, "")]
    while "".join(header).count('"') % 2 and len(header) < _LONGEST_HEADER:
        line = next(lines, None)
        if line is None:
            break
        header.append(line)
    return header


def _likely_delimiter(header: Sequence[str]) -> str:
    text = "".join(header)
    unquoted = re.sub(r'"[^"]*"', "", text if text.count('"') % 2 == 0 else header[0])
    return max(DELIMITERS, key=unquoted.count)


def _shown(path: str, name: str) -> str:
    return path if name == path else f"{name!r} ({path})"


def _put(values: dict[str, Any], path: Iterable[str], value: object) -> None:
    *parents, name = path
    for parent in parents:
        values = values.setdefault(parent, {})
    values[name] = value
