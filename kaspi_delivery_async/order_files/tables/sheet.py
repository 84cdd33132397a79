"""The rows of a sheet of a workbook, read as they are unpacked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.parsers import expat

from kaspi_delivery_async.order_files.tables.archive import Unreadable
from kaspi_delivery_async.order_files.tables.rows import Row
from kaspi_delivery_async.order_files.tables.shared_strings import TextReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspi_delivery_async.order_files.tables.archive import Archive, Attributes
    from kaspi_delivery_async.order_files.tables.number_formats import NumberFormats
    from kaspi_delivery_async.order_files.tables.shared_strings import SharedStrings

_MOST_COLUMNS = 16_384
_MOST_ROWS = 1_048_576
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^<>]*?ref=[\"']([A-Z]{1,3})([0-9]{1,7}):[A-Z]{1,3}([0-9]{1,7})[\"']")
_MOST_MERGED = 1_000_000
_OVERLAP = 256


def sheet_rows(archive: Archive, part: str, strings: SharedStrings, formats: NumberFormats) -> Iterator[Row]:
    """Yield the rows that hold anything."""
    sheet = _Sheet(strings, formats)
    for _ in archive.parse(part, sheet.parser):
        yield from sheet.rows
        sheet.rows.clear()


def merged_columns(archive: Archive, part: str) -> dict[int, dict[int, int]]:
    """Return the merged cells that span rows: by column and first row, their last row."""
    found: dict[int, dict[int, int]] = {}
    count = 0
    with archive.part(part) as read:
        rest = b""
        while block := read():
            text = rest + block
            end = 0
            for match in _MERGED.finditer(text):
                end = match.end()
                count += 1
                if count > _MOST_MERGED:
                    raise Unreadable("has more than a million merged cells; unmerge them")
                first, last = int(match[2]), int(match[3])
                if last > first:
                    found.setdefault(column_number(match[1].decode()), {})[first] = last
            rest = text[max(end, len(text) - _OVERLAP) :]
    return found


def column_number(letters: str) -> int:
    """Return the number of a column, from 0: ``A`` is 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def column_letters(number: int) -> str:
    """Return the letters of a column, from 0."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


class _Sheet:
    """Takes the events of the parser."""

    def __init__(self, strings: SharedStrings, formats: NumberFormats) -> None:
        self.rows: list[Row] = []
        self._strings = strings
        self._formats = formats
        self._prefix = ""
        self._reader = TextReader()
        self._number = 0
        self._is_hidden = False
        self._cells: list[str] = []
        self._column = -1
        self._cell: Attributes | None = None
        self._has_formula = False
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._first
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._reader.characters

    def _first(self, tag: str, _: Attributes) -> None:
        prefix, separator, _name = tag.rpartition(":")
        self._prefix = prefix + separator
        self.parser.StartElementHandler = self._start

    def _start(self, tag: str, attributes: Attributes) -> None:
        name = tag.removeprefix(self._prefix)
        if name == "c":
            self._cell = attributes
            self._has_formula = False
            self._reader.clear()
        elif self._cell is not None:
            if name == "f":
                self._has_formula = True
            self._reader.start(name)
        elif name == "row":
            before, number = self._number, attributes.get("r")
            self._number = int(number) if number is not None and number.isdigit() else before + 1
            if self._number <= before:
                raise Unreadable(f"is a damaged Excel workbook: row {self._number} comes twice; save it again in Excel")
            if self._number > _MOST_ROWS:
                raise Unreadable("is a damaged Excel workbook: it has more rows than a sheet can have")
            self._is_hidden = attributes.get("hidden") in {"1", "true"}
            self._cells = []
            self._column = -1

    def _end(self, tag: str) -> None:
        name = tag.removeprefix(self._prefix)
        if name == "c" and self._cell is not None:
            self._take(self._cell)
            self._cell = None
        elif self._cell is not None:
            self._reader.end(name)
        elif name == "row" and self._cells:
            self.rows.append(Row(self._number, self._cells, is_hidden=self._is_hidden))
            self._cells = []

    def _take(self, cell: Attributes) -> None:
        reference = _CELL.fullmatch(cell.get("r", ""))
        self._column = self._column + 1 if reference is None else column_number(reference[1])
        text = self._text(cell)
        if text.strip():
            if self._column >= _MOST_COLUMNS:
                raise Unreadable("is a damaged Excel workbook: it has more columns than a sheet can have")
            missing = self._column - len(self._cells)
            if missing < 0:
                self._cells[self._column] = text
            else:
                self._cells.extend([""] * missing)
                self._cells.append(text)

    def _text(self, cell: Attributes) -> str:
        value = self._reader.text()
        kind = cell.get("t", "n")
        if not value:
            # What wrote the file did not compute it; a text that is computed may be empty.
            return "#CALC!" if self._has_formula and kind != "str" else ""
        if kind == "n":
            return self._formats.text(value, cell.get("s"))
        if kind == "s":
            return self._strings.get(value)
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        return value
