"""An SQLite file as a database: one connection, and one thread that does all its work."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import URL, QueuePool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

T = TypeVar("T")

BUSY_TIMEOUT = 5.0
"""Seconds to wait for the connection, or for another process's write to end, before it counts as failure."""

VERSIONS_TABLE = "kaspi_delivery_schema"
"""The table by which a file of ours is known."""

_WRITES = "kaspi_delivery_writes"

_LASTING_RESULTS = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Result codes that no later attempt will mend."""

_LASTING_FILE = (FileNotFoundError, NotADirectoryError, PermissionError)
"""Of a file that does not exist yet."""


class SqliteFile:
    """Runs transactions one after the other: a file has one writer at a time anyway."""

    is_postgresql = False
    failures: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError)

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._reader = create_engine(
            URL.create("sqlite", database=str(path)),
            # The driver's own transactions would begin only at the first write, too late to wait for a lock.
            connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None, "check_same_thread": False},
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
        )
        event.listen(self._reader, "connect", _prepare_connection)
        event.listen(self._reader, "begin", _begin)
        self._writer = self._reader.execution_options(**{_WRITES: True})  # over the same connection
        self._turn = asyncio.Lock()
        # A thread hop costs more than a statement, so a transaction is one.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kaspi-delivery-sqlite")

    async def prepare(self) -> None:
        """Create the file (mode 0600), or make sure that it is ours."""
        await asyncio.to_thread(_prepare_file, self._path)

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """Run a transaction; a cancelled caller leaves it to end by itself, whole or not at all."""
        try:
            async with asyncio.timeout(BUSY_TIMEOUT):
                await self._turn.acquire()
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "the transactions before take too long") from None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work, writes)
        finally:
            self._turn.release()

    def _run(self, work: Callable[[Connection], T], writes: bool) -> T:  # noqa: FBT001 - executors take no keywords
        with (self._writer if writes else self._reader).begin() as connection:
            return work(connection)

    async def close(self) -> None:
        """Close the connection, once what is under way has ended."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reader.dispose)
        self._thread.shutdown(wait=False)


def is_lasting(cause: BaseException | None) -> bool:
    """Whether no later attempt will mend what a file's failure came from."""
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode & 0xFF in _LASTING_RESULTS
    return isinstance(cause, _LASTING_FILE)


def _prepare_connection(connection: DBAPIConnection, _record: object) -> None:
    # Overwrite what is deleted: it holds phones and addresses. Not every build of SQLite does so by itself.
    connection.cursor().execute("PRAGMA secure_delete = ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(path: Path) -> None:
    """Create the file, or make sure that it is ours, before anything in it is changed."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and VERSIONS_TABLE not in tables:
            raise ConfigurationError(f"{path} is the database of another program; name a file of its own")
        _switch_to_wal(connection)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead log, so that readers and the writer do not wait for each other."""
    # When two switch at the same time, SQLite gives up at once; so all of the waiting is done here.
    connection.execute("PRAGMA busy_timeout = 0")
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
