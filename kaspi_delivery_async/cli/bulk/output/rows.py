"""Rows about orders, as CSV or as lines of JSON: to a file, or to standard output."""

import csv
import io
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import orjson

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async.cli.background_writer import CAPACITY, BackgroundText
from kaspi_delivery_async.cli.bulk.output.results_sheet import write_sheet, writer
from kaspi_delivery_async.errors import ConfigurationError, StorageError

Row = Mapping[str, object]

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class Rows:
    """Writes rows in the background: as CSV, with the names of the first one as header, or as JSON lines of an event.

    It remembers each row until it is written, so that none is lost with a disk that is full or a reader that has gone.
    """

    def __init__(
        self,
        file: BackgroundText,
        *,
        name: str,
        as_json: bool = False,
        event: str | None = None,
        for_excel: bool = False,
        is_raw: bool = False,
    ) -> None:
        """Write to ``file``, which messages call ``name``.

        ``for_excel`` writes what Excel opens as columns where a comma is a decimal one; ``is_raw`` leaves cells as they
        are that a spreadsheet would take for formulas.
        """
        self._for_excel = for_excel
        self._is_raw = is_raw
        self.name = name
        self._file = file
        self._as_json = as_json
        self._prefix = {} if event is None else {"event": event}
        self._text = io.StringIO()
        self._csv: csv.DictWriter[str] | None = None
        self._unwritten: deque[tuple[int, Row]] = deque()

    def add(self, row: Row) -> None:
        """Take a row; `room` raises if it cannot be written."""
        self._file.write(self._rendered(row))
        self._file.flush()
        self._unwritten.append((self._file.writer.taken, row))
        self._forget_written()

    async def room(self, *, pending: int = CAPACITY) -> None:
        """Wait until at most ``pending`` bytes are still to be written; raises `OutputError` if they cannot be."""
        await self._file.writer.room(pending=pending)

    def check(self) -> None:
        """Raise `OutputError` if rows could not be written."""
        self._file.writer.check()

    @property
    def pending(self) -> int:
        """Bytes that are still to be written."""
        return self._file.writer.pending

    @property
    def unwritten(self) -> list[Row]:
        """The rows that were not, or not wholly, written."""
        self._forget_written()
        return [row for _, row in self._unwritten]

    def _forget_written(self) -> None:
        while self._unwritten and self._unwritten[0][0] <= self._file.writer.written:
            self._unwritten.popleft()

    def _rendered(self, row: Row) -> str:
        if self._as_json:
            return orjson.dumps({**self._prefix, **row}, option=orjson.OPT_APPEND_NEWLINE).decode()
        if self._csv is None:
            self._text.write("\ufeff" if self._for_excel else "")
            delimiter, end = (";", "\r\n") if self._for_excel else (",", "\n")
            self._csv = csv.DictWriter(self._text, list(row), delimiter=delimiter, lineterminator=end)
            self._csv.writeheader()
        self._csv.writerow(row if self._is_raw else {name: _harmless(value) for name, value in row.items()})
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text


def opened(
    path: Path, *, spared: Iterable[str | Path], as_json: bool = False, for_excel: bool = False
) -> AbstractContextManager[Rows]:
    """Return a context in which a file is open for rows; raises `ConfigurationError` if it is one to be ``spared``.

    A name that ends in ``.xlsx`` makes a workbook, when the context ends. Entering it raises `ConfigurationError` if
    the file cannot be written.
    """
    if path.resolve() in {place.resolve() for place in map(parse_location, spared) if isinstance(place, Path)}:
        raise ConfigurationError(f"{path} is read by this command and would be overwritten; name another file")
    if path.suffix.lower() == ".xlsx" and not as_json:
        writer()
        return _opened_workbook(path)
    return _opened(path, as_json=as_json, for_excel=for_excel)


@contextmanager
def _opened(path: Path, *, as_json: bool = False, for_excel: bool = False, is_raw: bool = False) -> Generator[Rows]:
    try:
        file = path.open("wb", buffering=0)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; name another file") from None
    with file:
        yield Rows(
            BackgroundText(file, newline=""), name=str(path), as_json=as_json, for_excel=for_excel, is_raw=is_raw
        )


@contextmanager
def _opened_workbook(path: Path) -> Generator[Rows]:
    """Collect rows in a CSV file beside the workbook, which stays there if the workbook is never made."""
    collected = path.with_name(f"{path.name}.rows.csv")
    with _opened(path), _opened(collected, is_raw=True) as rows:
        yield rows
    try:
        write_sheet(collected, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}; its rows are in {collected}") from None
    collected.unlink()


def _harmless(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
