"""CSV files as tables: the delimiter and the heading are found together."""

from __future__ import annotations

import csv
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.tables.heading import SEARCHED_ROWS, Heading
from kaspi_delivery_async.order_files.tables.rows import Row, place
from kaspi_delivery_async.order_files.tables.search import HeadingSearch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kaspi_delivery_async.order_files.tables.search import Missing

DELIMITERS = ",;\t"

_SEARCHED_LINES = 2 * SEARCHED_ROWS
"""Lines of the file that are looked at: a quoted name may contain line breaks."""


@attrs.frozen(kw_only=True)
class CsvTable:
    """A CSV file behind its heading."""

    heading: Heading
    unit: str = "line"
    _reader: Any = attrs.field(alias="reader")
    """The reader of the `csv` module, which has no public type."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the heading that hold anything; one that is no CSV has a problem."""
        return _rows(self._reader)

    def cell(self, row: int, column: int) -> str | None:
        """Return None: cells have no names."""
        return None

    def is_continued(self, row: int, column: int, *, since: int) -> bool:
        """Return False: no cells are merged."""
        return False


def open_csv(
    lines: Iterator[str], path: Path, missing: Missing, *, delimiter: str | None, heading_row: int | None = None
) -> CsvTable:
    """Return the table behind its heading; raises `InvalidRequestError` if there is none."""
    seen: list[str] = []
    candidates = delimiter or DELIMITERS
    for line in lines:
        seen.append(line)
        for candidate in candidates:
            search = HeadingSearch(missing, heading_row=heading_row)
            for count, row in enumerate(_complete_rows(seen, candidate), start=1):
                if search.take(row) and search.is_complete:
                    return _behind(search.heading(path, "line"), count, chain(seen, lines), candidate)
        if len(seen) >= max(_SEARCHED_LINES, heading_row or 0):
            break
    return _closest(seen, lines, path, missing, candidates, heading_row)


def _closest(
    seen: Sequence[str], lines: Iterator[str], path: Path, missing: Missing, candidates: str, heading_row: int | None
) -> CsvTable:
    """Return the table as far as it goes, so that the error names what the heading lacks."""
    if not "".join(seen).strip():
        seen = []
    delimiter = max(candidates, key="".join(seen[: heading_row or 1]).count)
    search = HeadingSearch(missing, heading_row=heading_row)
    if seen:
        try:
            first = next(csv.reader(chain(seen, lines), delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise InvalidRequestError(place(path, 1), f"cannot be read as CSV: {error}") from None
        search.take(Row(1, first))
        for row in _complete_rows(seen, delimiter):
            search.take(row)
    return _behind(search.heading(path, "line"), 1, chain(seen, lines), delimiter)


def _behind(heading: Heading, count: int, lines: Iterator[str], delimiter: str) -> CsvTable:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    for _ in range(count):
        next(reader)
    return CsvTable(heading=heading, reader=reader)


def _complete_rows(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    """Yield the records of a beginning; the last one may continue behind it."""
    try:
        yield from _parsed(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return


def _parsed(reader: Any) -> Iterator[Row]:
    while True:
        number = reader.line_num + 1
        cells: list[str] | None = next(reader, None)
        if cells is None:
            return
        yield Row(number, cells)


def _rows(reader: Any) -> Iterator[Row]:
    while True:
        number = reader.line_num + 1
        try:
            cells: list[str] | None = next(reader, None)
        except csv.Error as error:
            # The reader goes on with the next line.
            last = reader.line_num
            swallowed = f"; a quote is open up to line {last}" if last > number else ""
            yield Row(number, (), problem=f"cannot be read as CSV: {error}{swallowed}")
            continue
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield Row(number, cells)
