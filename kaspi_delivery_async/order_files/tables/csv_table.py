"""CSV files as tables: the delimiter and the heading are found together."""

from __future__ import annotations

import csv
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.tables.heading import SEARCHED_ROWS, Heading
from kaspi_delivery_async.order_files.tables.rows import Row, place
from kaspi_delivery_async.order_files.tables.search import HeadingSearch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
    searches = {candidate: HeadingSearch(missing, heading_row=heading_row) for candidate in delimiter or DELIMITERS}
    taken = dict.fromkeys(searches, 0)
    for line in lines:
        seen.append(line)
        for candidate, search in searches.items():
            for row in islice(_complete_rows(seen, candidate), taken[candidate], None):
                taken[candidate] += 1
                if search.take(row) and search.is_complete:
                    return _behind(search.heading(path, "line"), taken[candidate], chain(seen, lines), candidate)
        if len(seen) >= max(_SEARCHED_LINES, heading_row or 0):
            break
    return _closest(searches, seen, lines, path, heading_row)


def _closest(
    searches: Mapping[str, HeadingSearch],
    seen: Sequence[str],
    lines: Iterator[str],
    path: Path,
    heading_row: int | None,
) -> CsvTable:
    """Return the table as far as it goes, so that the error names what the heading lacks."""
    first = "".join(seen[: heading_row or 1])
    delimiter = max(searches, key=lambda candidate: (-searches[candidate].lacking, first.count(candidate)))
    search = searches[delimiter]
    if search.is_empty and "".join(seen).strip():
        try:
            next(csv.reader(chain(seen, lines), delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise InvalidRequestError(place(path, 1), f"cannot be read as CSV: {error}") from None
    heading = search.heading(path, "line")
    rows = list(_complete_rows(seen, delimiter))
    count = next((number for number, row in enumerate(rows, start=1) if row.number >= heading.row), 1)
    return _behind(heading, count, chain(seen, lines), delimiter)


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
