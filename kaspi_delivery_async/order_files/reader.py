"""Where orders come from: CSV and JSON Lines files, and any iterable, sync or async, of requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.order_files.columns import CsvFormat
from kaspi_delivery_async.order_files.csv_rows import DELIMITERS, read_table
from kaspi_delivery_async.order_files.jsonl_rows import read_json_lines
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.text_lines import checked_encoding, text_lines

if TYPE_CHECKING:
    import os

Format = Literal["csv", "jsonl"]

_FORMATS: Mapping[str, Format] = MappingProxyType({
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
})  # fmt: skip


def read_orders(
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
    grouped_numbers: bool = False,
) -> OrderFile:
    """Name a file of orders: CSV with a header, or JSON Lines with one request of the API on each line.

    CSV columns are the paths of an order's fields, such as ``dropoff.contact.phone``, in any order; letter
    case and underscores do not count, ``notes`` may be left out, and an empty column needs no name. Cells
    are stripped of blanks around them.

    Args:
        path: The file; it is read when it is iterated over, anew each time, a line at a time.
        format: ``csv`` or ``jsonl``; by default told from the file's name.
        encoding: UTF-8 with or without a byte order mark, or any other that extends ASCII, such as
            ``windows-1251``, in which Excel writes plain CSV in Kazakhstan.
        delimiter: ``,``, ``;`` or a tab; by default told from the header.
        columns: Field paths by the file's own column names; an empty path ignores a column.
        grouped_numbers: Whether numbers may be written as ``18 000``.

    Raises `ConfigurationError` for a setting that makes no sense. Iterating raises `InvalidRequestError`
    for a file or header that cannot be read; a row that cannot is a `Line` with its error.

    """
    file = Path(path)
    kind = format or _FORMATS.get(file.suffix.lower())
    if kind not in {"csv", "jsonl"}:
        raise ConfigurationError(
            f"format is {kind!r}; it must be 'csv' or 'jsonl'"
            if kind
            else f"cannot tell the format of {file.name} from its name; it is 'csv' or 'jsonl' (format)"
        )
    if delimiter is not None and (len(delimiter) != 1 or delimiter not in DELIMITERS):
        raise ConfigurationError(f"delimiter is {delimiter!r}; it must be a comma, a semicolon or a tab")
    form = CsvFormat(delimiter=delimiter, columns=dict(columns), grouped_numbers=grouped_numbers)
    return OrderFile(file, kind, checked_encoding(encoding), form)


class OrderFile(Iterable[Line]):
    """A file of orders; made by `read_orders`."""

    position: int = 0
    """How many bytes of it were read in the present passage."""

    def __init__(self, path: Path, kind: Format, encoding: str, form: CsvFormat) -> None:
        self._path = path
        self._kind = kind
        self._encoding = encoding
        self._form = form

    @property
    def size(self) -> int:
        """Its length in bytes; 0 if it is not there."""
        return self._path.stat().st_size if self._path.is_file() else 0

    def __iter__(self) -> Iterator[Line]:
        self.position = 0
        lines = text_lines(self._path, self._encoding, on_bytes=self._count)
        if self._kind == "csv":
            return read_table(lines, self._path, self._form)
        return read_json_lines(lines, self._path)

    def _count(self, length: int) -> None:
        self.position += length
