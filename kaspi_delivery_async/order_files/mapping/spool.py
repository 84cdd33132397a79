"""Keeps the rows of a file on the disk until all are read: those of one order may stand apart."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import attrs
import orjson

from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.order_files.mapping.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self


class Spool:
    """Rows by the key of their order, in the order in which the keys came first."""

    def __init__(self) -> None:
        # An empty name is a temporary database: SQLite moves it to the disk when it grows.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._newest: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        self._run("PRAGMA journal_mode = OFF")
        self._run("PRAGMA synchronous = OFF")
        self._run("CREATE TABLE orders (key TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._run(
            "CREATE TABLE records (number INTEGER, row INTEGER, record BLOB, PRIMARY KEY (number, row)) WITHOUT ROWID"
        )
        self._run("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, key: str, record: Record) -> None:
        """Keep a row of an order."""
        if self._newest is None or self._newest[0] != key:
            self._run("INSERT OR IGNORE INTO orders VALUES (?, ?)", key, record.row)
            (number,) = self._run("SELECT number FROM orders WHERE key = ?", key).fetchone()
            self._newest = key, number
        content = orjson.dumps(attrs.asdict(record))
        self._run("INSERT INTO records VALUES (?, ?, ?)", self._newest[1], record.row, content)

    def orders(self) -> Iterator[list[Record]]:
        """Yield the rows of each order."""
        records: list[Record] = []
        current: int | None = None
        for number, content in self._run("SELECT number, record FROM records ORDER BY number, row"):
            if number != current and records:
                yield records
                records = []
            current = number
            records.append(Record(**orjson.loads(content)))
        if records:
            yield records

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageError(f"the rows of this file cannot be kept until all are read: {error}") from error
