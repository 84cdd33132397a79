"""The shop's own SQLite file: its mode and its journal mode stay as they are, and every write is short."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from sqlalchemy import URL, AsyncAdaptedQueuePool, QueuePool, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from kaspi_delivery_async._database.files import FileLostError, file_identity
from kaspi_delivery_async._database.logs import LOGGING_NAME, keep_rows_out_of_logs
from kaspi_delivery_async._database.sqlite import BUSY_TIMEOUT, WRITES, begin
from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

CONNECTIONS = 4
"""Maximum number of connections: one writes, the others read."""


class _Connection(sqlite3.Connection):
    """Ends its transaction when it is closed, also while a cursor is alive, as in the traceback of a callback.

    SQLite alone would keep the lock on the file for as long.
    """

    def close(self) -> None:
        """Roll back, and close."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


class SharedSqliteFile:
    """Runs transactions on the shop's file; for one event loop."""

    is_postgresql = False
    is_lost = False
    failures: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError)

    def __init__(self, path: Path, *, creates: bool) -> None:
        """Connect to nothing yet; ``creates`` makes the file if it is missing."""
        self.name: str = str(path)
        self._path = path
        self._creates = creates
        self._identity: tuple[int, int] | None = None
        url = URL.create("sqlite+aiosqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
        arguments = {"timeout": BUSY_TIMEOUT, "isolation_level": None, "factory": _Connection}
        try:
            self._reader = create_async_engine(
                url,
                connect_args=arguments,
                poolclass=AsyncAdaptedQueuePool,
                pool_size=CONNECTIONS,
                max_overflow=0,
                pool_timeout=BUSY_TIMEOUT,
                pool_reset_on_return=None,  # every transaction is ended already
                hide_parameters=True,
                logging_name=LOGGING_NAME,
            )
        except ImportError as missing:
            raise missing_extra("outbox", needs="aiosqlite", purpose="an outbox in an SQLite file") from missing
        self._writer = self._reader.execution_options(**{WRITES: True})  # over the same connections
        # What is no callback runs in a thread, as a whole: asynchronous drivers change threads for every statement.
        self._thread_reader = create_engine(
            f"sqlite:///{url.database}?{urlencode(url.query)}",
            connect_args={**arguments, "check_same_thread": False},
            poolclass=QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_reset_on_return=None,
            hide_parameters=True,
            logging_name=LOGGING_NAME,
        )
        self._thread_writer = self._thread_reader.execution_options(**{WRITES: True})
        for engine in (self._reader.sync_engine, self._thread_reader):
            keep_rows_out_of_logs(engine)
            event.listen(engine, "connect", _erase_what_is_deleted)
            event.listen(engine, "begin", begin)
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="kaspi-delivery-outbox")
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Future[Any]] = set()

    async def prepare(self) -> None:
        """Make the file if it is missing and may be made, with the mode that this process gives its files."""
        if self._creates:
            await asyncio.to_thread(_create_if_missing, self._path)
        elif not self._path.is_file():
            raise ConfigurationError(
                f"there is no file {self._path}; create the shop's database first, or pass create_tables=True"
            )
        self._identity = file_identity(self._path)[0]

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """Run a transaction; a cancelled caller leaves it to end by itself, whole or not at all."""
        task = asyncio.create_task(self._run(work, writes=writes))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        async with self._turn if writes else nullcontext():
            engine = self._thread_writer if writes else self._thread_reader
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run_in_thread, work, engine)

    def _run_in_thread(self, work: Callable[[Connection], T], engine: Engine) -> T:
        self._check_file()
        with engine.begin() as connection:
            return work(connection)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        _ = task.cancelled() or task.exception()  # it counts as seen, if the caller was cancelled

    def _check_file(self) -> None:
        if file_identity(self._path)[0] != self._identity:
            raise FileLostError(errno.ESTALE, "the file was deleted or replaced while it was in use")

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """Run a transaction from the outside; no other process writes meanwhile."""
        async with self._turn:
            self._check_file()
            async with self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[Callable[[], Any]]:
        """Yield a coroutine function whose result changes whenever another connection has written to the file."""
        async with self._reader.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection

            async def data_version() -> object:
                async with driver.execute("PRAGMA data_version") as cursor:
                    return await cursor.fetchone()

            yield data_version

    async def close(self) -> None:
        """Close the connections, once the transactions in progress have ended."""
        while self._running:
            await asyncio.wait(self._running)
        await self._reader.dispose()
        await asyncio.get_running_loop().run_in_executor(self._threads, self._thread_reader.dispose)
        self._threads.shutdown(wait=False)

    def abandon(self) -> None:
        """Leave the connections to the end of their threads."""


def _erase_what_is_deleted(connection: Any, _record: object) -> None:
    # For what is deleted or overwritten by this connection; it changes nothing in the file.
    cursor = connection.cursor()
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _create_if_missing(path: Path) -> None:
    if not path.exists():
        path.touch()
