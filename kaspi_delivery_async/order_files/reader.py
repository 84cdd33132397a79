"""`read_orders`: order files, whatever their format."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import attrs

from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.order_files.background import read_in_background
from kaspi_delivery_async.order_files.encodings import checked_encoding
from kaspi_delivery_async.order_files.fields.columns import ColumnNames
from kaspi_delivery_async.order_files.jsonl_rows import read_json_lines
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.look_alikes import refuse_look_alikes
from kaspi_delivery_async.order_files.mapping.definition.loading import load_mapping
from kaspi_delivery_async.order_files.mapping.definition.model import FileFormat
from kaspi_delivery_async.order_files.mapping.left_out import LeftOut, LeftOutOrders
from kaspi_delivery_async.order_files.mapping.mapped_rows import MappedRows
from kaspi_delivery_async.order_files.opening import begins_as_workbook, opened_table
from kaspi_delivery_async.order_files.plain_rows import PlainRows
from kaspi_delivery_async.order_files.tables.csv_table import DELIMITERS
from kaspi_delivery_async.order_files.text_lines import text_lines

Format = Literal["csv", "jsonl", "xlsx"]

_FORMATS: Mapping[str, Format] = MappingProxyType({
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xlsx",
    ".ods": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
})  # fmt: skip


def read_orders(
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
    grouped_numbers: bool = False,
    mapping: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    preset: str | None = None,
) -> OrderFile:
    """Return an order file: CSV or an Excel workbook with a heading, or JSON Lines with a request of the API on each.

    Columns are the paths of an order's fields, such as ``dropoff.contact.phone``, in any order; letter
    case and underscores do not count, ``notes`` may be left out, and an empty column needs no name. Cells
    are stripped of blanks around them. A fraction of zeros, as in ``18000,00``, is no fraction.

    Args:
        path: The file. It is read when it is iterated over, from the beginning each time, in bounded memory.
        format: ``csv``, ``xlsx`` or ``jsonl``; by default it follows from the file's name. A workbook is recognised
            whatever its name.
        encoding: By default it is found out: UTF-8, UTF-16 or ``windows-1251``; else any that extends ASCII.
        delimiter: ``,``, ``;`` or a tab; by default the most frequent one of the header.
        columns: Field paths by the file's own column names; an empty path ignores a column. In a name, any run of
            blanks and line breaks is one space.
        grouped_numbers: Whether numbers may be written as ``18 000``.
        mapping: How the columns of a shop's own export become the fields of an order: a TOML file, or the values that
            one would hold. It has the columns' names and takes numbers as they are written, so ``columns`` and
            ``grouped_numbers`` are not for it.
        preset: The system that made the file, such as ``insales``; a mapping says the rest.

    Raises `ConfigurationError` for an invalid setting. Iterating raises `InvalidRequestError` for a file or header
    that cannot be read; a row that cannot, or whose order id only looks like that of an earlier row, is a `Line` with
    its error. An ``async for`` reads the file in a thread of its own.

    """
    file = Path(str.__str__(os.fspath(path)))  # a member of a `str` enumeration prints as its name
    kind = format or _FORMATS.get(file.suffix.lower())
    if kind not in {"csv", "jsonl", "xlsx"}:
        raise ConfigurationError(
            f"format is {kind!r}; it must be 'csv', 'jsonl' or 'xlsx'"
            if kind
            else f"the format of {file.name} does not follow from its name; set it to 'csv', 'jsonl' or 'xlsx' (format)"
        )
    if delimiter is not None and (len(delimiter) != 1 or delimiter not in DELIMITERS):
        raise ConfigurationError(f"delimiter is {delimiter!r}; it must be a comma, a semicolon or a tab")
    if mapping is None and preset is None:
        names = ColumnNames(by_name=columns, grouped_numbers=grouped_numbers)
        form = FileFormat(encoding=checked_encoding(encoding), delimiter=delimiter)
        return OrderFile(file, kind, form, PlainRows(names))
    if columns or kind == "jsonl":
        raise ConfigurationError(
            "a mapping is for tables, and has the names of their columns: leave out columns (--map)"
        )
    loaded = load_mapping({} if mapping is None else mapping, preset=preset)
    form = attrs.evolve(
        loaded.file,
        encoding=checked_encoding(encoding or loaded.file.encoding),
        delimiter=delimiter or loaded.file.delimiter,
    )
    return OrderFile(file, kind, form, MappedRows(loaded))


class OrderFile(Iterable[Line], AsyncIterable[Line]):
    """An order file; made by `read_orders`."""

    position: int = 0
    """Number of bytes read in the current iteration."""

    def __init__(self, path: Path, kind: Format, form: FileFormat, rows: PlainRows | MappedRows) -> None:
        self._path = path
        self._kind = kind
        self._form = form
        self._rows = rows
        self._left_out = LeftOutOrders()

    @property
    def is_mapped(self) -> bool:
        """Whether it is read by a mapping."""
        return isinstance(self._rows, MappedRows)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What the mapping left out in the current iteration, by reason."""
        return self._left_out.reasons()

    @property
    def size(self) -> int:
        """Its length in bytes; 0 if it is missing or no regular file."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def __iter__(self) -> Iterator[Line]:
        return self._read(lambda: None)

    def __aiter__(self) -> AsyncIterator[Line]:
        return read_in_background(self._read)

    def _read(self, before_read: Callable[[], None]) -> Iterator[Line]:
        self.position = 0
        self._left_out = LeftOutOrders()
        lines = self._lines(before_read)
        return lines if self._rows.allows_look_alikes else refuse_look_alikes(lines)

    def _lines(self, before_read: Callable[[], None]) -> Iterator[Line]:
        if self._kind == "jsonl" and not begins_as_workbook(self._path):
            text = text_lines(self._path, self._form.encoding, on_bytes=self._count, before_read=before_read)
            yield from read_json_lines(text, self._path)
            return
        rows = self._rows
        with opened_table(self._path, rows.missing, self._form, on_bytes=self._count, before_read=before_read) as table:
            yield from rows.read(table, self._path, self._left_out)

    def _count(self, length: int) -> None:
        self.position += length
