"""An SQLite file as a database: one connection, and one thread that does all its work."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import QueuePool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from kaspi_delivery_async._database.files import FileLostError, create_file, file_identity, take_over
from kaspi_delivery_async._database.logs import LOGGING_NAME, keep_rows_out_of_logs
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

BUSY_TIMEOUT = 5.0
"""Seconds to wait for the connection, or for another process's write to end, before it counts as failure."""

VERSIONS_TABLE = "kaspi_delivery_schema"
"""The table by which a file of ours is known."""

WRITES = "kaspi_delivery_writes"
"""The execution option of an engine whose transactions write."""

_LASTING_RESULTS = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Result codes of permanent failures."""

_LASTING_FILE = (FileNotFoundError, NotADirectoryError, PermissionError)
"""Of a file that does not exist yet."""


class SqliteFile:
    """Runs transactions one after the other: a file has one writer at a time anyway."""

    is_postgresql = False
    failures: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError)

    def __init__(self, path: Path, *, erase_after: float | None) -> None:
        """Set up; nothing is opened yet.

        Args:
            path: The file.
            erase_after: Seconds after which what was deleted or overwritten is no longer in the write-ahead
                log either; None leaves that to SQLite.

        """
        self.name = str(path)
        self.is_lost = False
        """Whether the file that was opened is no longer the one at its path; then it stays unusable."""
        self._path = path
        self._identity: list[tuple[int, int] | None] | None = None
        self._reader = create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            logging_name=LOGGING_NAME,
        )
        keep_rows_out_of_logs(self._reader)
        event.listen(self._reader, "begin", begin)
        self._writer = self._reader.execution_options(**{WRITES: True})  # over the same connection
        self._turn = asyncio.Lock()
        # A thread hop costs more than a statement, so a transaction is one.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kaspi-delivery-sqlite")
        self._erase_after = erase_after
        self._erasure: asyncio.TimerHandle | None = None

    async def prepare(self) -> None:
        """Create the file (mode 0600), or make sure that it is ours."""
        await asyncio.to_thread(_prepare_file, self._path)
        if self._erase_after is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._truncate_log)

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """Run a transaction; a cancelled caller leaves it to end by itself, whole or not at all."""
        try:
            async with asyncio.timeout(BUSY_TIMEOUT):
                await self._turn.acquire()
        except TimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "the transactions before take too long") from None
        try:
            if writes and self._erasure is None and self._erase_after is not None:
                self._erasure = asyncio.get_running_loop().call_later(self._erase_after, self._erase)
            engine = self._writer if writes else self._reader
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work, engine)
        finally:
            self._turn.release()

    def _run(self, work: Callable[[Connection], T], engine: Engine) -> T:
        with engine.begin() as connection:
            self._check_file()
            result = work(connection)
        # Once more: what was committed to a file that has been deleted meanwhile is lost.
        self._check_file()
        return result

    async def close(self) -> None:
        """Close the connection, once what is in progress has ended."""
        if self._erasure is not None:
            self._erasure.cancel()
            await asyncio.get_running_loop().run_in_executor(self._thread, self._truncate_log)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reader.dispose)
        self._thread.shutdown(wait=False)

    def abandon(self) -> None:
        """Close the connection of an event loop that was closed."""
        self._thread.submit(self._reader.dispose)
        self._thread.shutdown(wait=True)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            # Never creating it: that is `prepare`'s part, with the right mode.
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            # The driver's own transactions would begin only at the first write, too late to wait for a lock.
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            # Overwrite what is deleted: it holds phones and addresses. Not every build of SQLite does so by itself.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("SELECT name FROM sqlite_master").fetchall()  # opens the log and the index of it, too
        except sqlite3.Error:
            connection.close()  # nobody else would, before it is collected as garbage
            raise
        found = file_identity(self._path)
        if self._identity is None or found[0] == self._identity[0]:
            self._identity = found  # the log is a new one if the connection before it was the last to the file
        return connection

    def _check_file(self) -> None:
        """Raise `FileLostError` unless the next process that opens the path finds this very file, and its log."""
        if self.is_lost or file_identity(self._path) != self._identity:
            self.is_lost = True
            raise FileLostError(errno.ESTALE, "the file was deleted or replaced while it was in use")

    def _erase(self) -> None:
        self._erasure = None
        asyncio.get_running_loop().run_in_executor(self._thread, self._truncate_log).add_done_callback(self._erased)

    def _erased(self, done: asyncio.Future[bool]) -> None:
        # Another process was reading or writing: then later.
        if not done.cancelled() and not done.exception() and not done.result() and self._erasure is None:
            self._erasure = asyncio.get_running_loop().call_later(self._erase_after or 0.0, self._erase)

    def _truncate_log(self) -> bool:
        """Move what is in the write-ahead log to the file, and empty it; return whether that was possible."""
        try:
            with self._reader.connect() as connection, closing(connection.connection.cursor()) as cursor:
                cursor.execute("PRAGMA busy_timeout = 0")
                try:
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    [(busy, _, _)] = cursor.fetchall()
                finally:
                    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
        except self.failures:  # a file that cannot be used is closed all the same
            return False
        return bool(busy == 0)


def is_lasting(cause: BaseException | None) -> bool:
    """Whether a file's failure is permanent."""
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode & 0xFF in _LASTING_RESULTS
    return isinstance(cause, _LASTING_FILE)


def begin(connection: Connection) -> None:
    """Begin a transaction; one that writes waits for its turn at once, as SQLite does not let it wait later."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(path: Path) -> None:
    """Create the file, or make sure that it is ours, before anything in it is changed."""
    create_file(path)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and VERSIONS_TABLE not in tables:
            raise ConfigurationError(f"{path} is the database of another program; name a file of its own")
        _switch_to_wal(connection)
        take_over(path)


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
