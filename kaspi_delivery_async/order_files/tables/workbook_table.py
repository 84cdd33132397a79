"""Excel workbooks (`.xlsx`, `.xlsm`) as tables.

They are read by the standard library's own parser, in bounded memory, from an archive that was measured before. Of
the libraries for it, python-calamine holds a whole sheet, and ends the process on a cell in the last column of the last
row; openpyxl takes four times as long, and holds all texts.
"""

from __future__ import annotations

import logging
import posixpath
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.order_files.tables.archive import Archive, Unreadable, opened_archive
from kaspi_delivery_async.order_files.tables.heading import SEARCHED_ROWS
from kaspi_delivery_async.order_files.tables.number_formats import NumberFormats, read_formats
from kaspi_delivery_async.order_files.tables.search import HeadingSearch
from kaspi_delivery_async.order_files.tables.shared_strings import SharedStrings
from kaspi_delivery_async.order_files.tables.sheet import column_letters, merged_columns, sheet_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    from kaspi_delivery_async.order_files.tables.archive import Attributes
    from kaspi_delivery_async.order_files.tables.heading import Heading
    from kaspi_delivery_async.order_files.tables.rows import Row
    from kaspi_delivery_async.order_files.tables.search import Missing

_MOST_SHEETS = 1000

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class _Sheet:
    name: str
    part: str
    is_visible: bool


@attrs.frozen(kw_only=True)
class WorkbookTable:
    """A sheet whose heading is found."""

    heading: Heading
    sheet: str
    unit: str = "row"
    _rows: Iterator[Row] = attrs.field(alias="rows")
    _merged: Mapping[int, Mapping[int, int]] = attrs.field(alias="merged")

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the heading that hold anything."""
        return self._rows

    def cell(self, row: int, column: int) -> str | None:
        """Return the name of a cell, such as ``H6``."""
        return f"{column_letters(column)}{row}"

    def is_continued(self, row: int, column: int, *, since: int) -> bool:
        """Whether a cell is part of a merged one that begins in row ``since``."""
        return since < row <= self._merged.get(column, {}).get(since, 0)


@contextmanager
def opened_workbook(
    path: Path, missing: Missing, *, sheet: str | None, heading_row: int | None, on_bytes: Callable[[int], None]
) -> Generator[WorkbookTable]:
    """Open a workbook's sheet of orders; raises `InvalidRequestError`, while it is read, too."""
    with opened_archive(path) as archive, ExitStack() as stack:
        workbook = _Workbook(archive, stack)
        chosen, search, rows, others = workbook.choose(sheet, missing, heading_row)
        if others:
            _logger.warning(
                "%s: the orders are on the sheet %r, and what is on the others is not read: %s; with the same heading "
                "they would be sheets of orders, too",
                storable(path.name),
                storable(chosen.name),
                _names(others),
            )
        merged = merged_columns(archive, chosen.part)
        yield WorkbookTable(
            heading=search.heading(path, "row"),
            sheet=chosen.name,
            rows=_counted(rows, lambda: on_bytes(path.stat().st_size)),
            merged=merged,
        )


def _counted(rows: Iterator[Row], at_end: Callable[[], None]) -> Iterator[Row]:
    yield from rows
    at_end()


class _Workbook:
    def __init__(self, archive: Archive, stack: ExitStack) -> None:
        self._archive = archive
        root = _target(archive, "_rels/.rels", lambda kind: kind.endswith("/officeDocument"))
        if not root or not root[0].endswith(".xml"):
            raise Unreadable("is no Excel workbook that can be read here; save it as .xlsx or CSV UTF-8")
        self._main = root[0]
        folder, name = posixpath.split(self._main)
        self._relations = posixpath.join(folder, "_rels", f"{name}.rels")
        self._sheets: list[_Sheet] = []
        self._since_1904 = False
        parts = _targets(archive, self._relations)
        targets = {identifier: target for identifier, _, target in parts}

        def start(name: str, attributes: Attributes) -> None:
            if name == "workbookPr":
                self._since_1904 = attributes.get("date1904") in {"1", "true"}
            elif name == "sheet" and len(self._sheets) < _MOST_SHEETS:
                identifier = next((value for key, value in attributes.items() if key.endswith(":id")), "")
                self._sheets.append(
                    _Sheet(
                        name=attributes.get("name", ""),
                        part=targets.get(identifier, ""),
                        is_visible=attributes.get("state", "visible") == "visible",
                    )
                )

        archive.elements(self._main, start)
        self._strings = SharedStrings()
        stack.callback(self._strings.close)
        styles = ""
        for _, kind, target in parts:
            if kind.endswith("/sharedStrings") and target in archive:
                self._strings.load(archive, target)
            elif kind.endswith("/styles"):
                styles = target
        self._formats: NumberFormats = read_formats(archive, styles, since_1904=self._since_1904)

    def choose(
        self, name: str | None, missing: Missing, heading_row: int | None
    ) -> tuple[_Sheet, HeadingSearch, Iterator[Row], list[_Sheet]]:
        """Return the sheet of that name, or else the only one that has the heading, and the other filled sheets."""
        if name is not None:
            named = [sheet for sheet in self._sheets if sheet.name == name]
            if not named:
                raise Unreadable(f"has no sheet {name!r}; its sheets: {_names(self._sheets)}")
            return named[0], *self._searched(named[0], missing, heading_row), []
        filled = [
            (sheet, *self._searched(sheet, missing, heading_row))
            for sheet in self._sheets
            if sheet.is_visible and sheet.part in self._archive
        ]
        filled = [found for found in filled if not found[1].is_empty]
        if not filled:
            raise Unreadable("has no visible sheet that holds anything")
        complete = [found for found in filled if found[1].is_complete]
        if len(complete) > 1 or (not complete and len(filled) > 1):
            raise Unreadable(
                f"has several sheets: {_names([found[0] for found in complete or filled])}; say which one holds "
                "the orders (sheet)"
            )
        chosen = (complete or filled)[0]
        return *chosen, [sheet for sheet, *_ in filled if sheet is not chosen[0]]

    def _searched(
        self, sheet: _Sheet, missing: Missing, heading_row: int | None
    ) -> tuple[HeadingSearch, Iterator[Row]]:
        rows = sheet_rows(self._archive, sheet.part, self._strings, self._formats)
        search = HeadingSearch(missing, heading_row=heading_row)
        for row in islice(rows, None if heading_row else SEARCHED_ROWS):
            if search.take(row):
                break
        return search, rows


def _names(sheets: list[_Sheet]) -> str:
    return ", ".join(repr(storable(sheet.name)) for sheet in sheets[:10])


def _target(archive: Archive, relations: str, matches: Callable[[str], bool]) -> list[str]:
    return [target for _, kind, target in _targets(archive, relations) if matches(kind)]


def _targets(archive: Archive, relations: str) -> list[tuple[str, str, str]]:
    """Return identifier, kind and part of each relation of a part."""
    folder = posixpath.dirname(posixpath.dirname(relations))
    found: list[tuple[str, str, str]] = []

    def start(name: str, attributes: Attributes) -> None:
        if name == "Relationship":
            target = attributes.get("Target", "")
            absolute = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            found.append((attributes.get("Id", ""), attributes.get("Type", ""), posixpath.normpath(absolute)))

    archive.elements(relations, start)
    return found
