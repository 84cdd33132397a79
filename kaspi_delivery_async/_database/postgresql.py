"""A PostgreSQL database, through asyncpg."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kaspi_delivery_async._database.logs import LOGGING_NAME, keep_rows_out_of_logs
from kaspi_delivery_async._database.postgresql_url import UNREADABLE, PostgresqlUrl, parse_postgresql_url
from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

CONNECTIONS = 5
"""Maximum number of connections."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for a free connection before it counts as failure."""

CHECK_LIMIT = 2.0
"""Seconds in which a connection has to respond before it is used."""

TRANSACTION_LIMIT = 5.0
"""Seconds that a transaction may take; then its connection is dropped, as one that has gone silent."""

_READ_ONLY = "25006"
"""The SQLSTATE of a write on a connection that is read-only: its server is no longer the primary one."""

_NOTHING_DONE = frozenset({_READ_ONLY, "40001", "40P01"})
"""SQLSTATEs after which a transaction is run once more: also serialization failures and deadlocks."""

_LASTING_STATES = ("28", "3D", "3F", "42")
"""SQLSTATE classes of permanent failures: wrong credentials, missing database or schema, missing permission."""

_REFUSED_SETTING = frozenset({"08P01", "22023", "42501", "42704", "55P02"})
"""SQLSTATEs of a connection that asks for a setting which the server, or a pooler, does not allow or know."""


class AsyncpgConnection(Protocol):
    """What is used of an asyncpg connection."""

    async def execute(self, query: str) -> str:
        """Execute statements."""
        ...

    async def fetchval(self, query: str, *, timeout: float | None = None) -> Any:
        """Execute a statement and return the first value of its first row."""
        ...

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, str], None]) -> None:
        """Have a function called with each notification."""
        ...

    def add_termination_listener(self, callback: Callable[[object], None]) -> None:
        """Have a function called when the connection ends."""
        ...

    def get_server_pid(self) -> int:
        """Return the process id that the server gave at the start."""
        ...

    def is_closed(self) -> bool:
        """Whether it is closed."""
        ...

    async def close(self) -> None:
        """End it in agreement with the server."""
        ...

    def terminate(self) -> None:
        """End it at once."""
        ...


class PostgresqlDatabase:
    """Runs transactions, several at once; for one event loop."""

    is_postgresql = True
    is_lost = False
    name = "the PostgreSQL database"

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """Connect to nothing yet; raises `ConfigurationError` for the URL, or if the driver is not installed."""
        # SQLAlchemy 2.0 lets the driver's errors through as they are while it connects.
        self.failures: tuple[type[Exception], ...] = (
            SQLAlchemyError, OSError, _asyncpg().PostgresError, _asyncpg().InterfaceError,
        )  # fmt: skip
        self._url = parse_postgresql_url(url)
        self._generation = 0
        """Counts up when a connection turns out to be of no use: those of its age are not used either."""
        self._connections: dict[AsyncpgConnection, int] = {}
        arguments: dict[str, Any] = {}
        if self._url.statement_cache_size is not None:
            arguments["prepared_statement_cache_size"] = self._url.statement_cache_size
            if self._url.statement_cache_size == 0:
                # Unnamed: a pooler gives the next transaction another connection, where a name is unknown, or taken.
                arguments["prepared_statement_name_func"] = str
        asyncio_extension = importlib.import_module("sqlalchemy.ext.asyncio")
        self._engine: Any = asyncio_extension.create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            connect_args=arguments,
            isolation_level="READ COMMITTED",  # what the statements are made for, whatever the database's default is
            pool_size=connections,
            max_overflow=0,
            pool_timeout=BUSY_TIMEOUT,
            hide_parameters=True,
            logging_name=LOGGING_NAME,
        )
        event.listen(self._engine.sync_engine, "invalidate", _terminate)
        keep_rows_out_of_logs(self._engine.sync_engine)

    async def prepare(self) -> None:
        """Raise `ConfigurationError` unless the database can hold every text; it has to be there."""
        encoding = await self._run(lambda connection: connection.exec_driver_sql("SHOW server_encoding").scalar_one())
        if encoding != "UTF8":
            raise ConfigurationError(
                f"the PostgreSQL database has the encoding {encoding}, which cannot hold every order id; "
                "name one with the encoding UTF8"
            )

    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T:  # SQLite's alone
        """Run a transaction; a cancelled caller rolls it back."""
        try:
            return await self._run(work)
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            if state not in _NOTHING_DONE:
                raise
            if state == _READ_ONLY:
                self._generation += 1
            return await self._run(work)

    async def close(self) -> None:
        """Close the connections."""
        for connection, generation in self._connections.items():
            if generation != self._generation:
                connection.terminate()
        await self._engine.dispose()

    def abandon(self) -> None:
        """Let go of the connections of an event loop that was closed."""
        for connection in self._connections:
            # Its transport needs the loop to end, and says so: the socket is closed when it is collected.
            with suppress(RuntimeError):
                connection.terminate()

    @asynccontextmanager
    async def transaction(self, *, limit: float) -> AsyncGenerator[AsyncConnection]:
        """Run a transaction that may take ``limit`` seconds."""
        async with self._engine.connect() as connection:
            driver = await self._live(connection)
            loop = asyncio.get_running_loop()
            ended: list[bool] = []

            def end() -> None:
                # Not a cancellation, which would wait for the server to agree.
                ended.append(True)
                self._generation += 1
                driver.terminate()

            timer = loop.call_later(limit, end)
            try:
                async with connection.begin():
                    yield connection
            except self.failures:
                if ended:
                    raise TimeoutError(None, f"it did not respond within {limit:g} s") from None
                raise
            finally:
                timer.cancel()

    async def _run(self, work: Callable[[Connection], T]) -> T:
        async with self.transaction(limit=TRANSACTION_LIMIT) as connection:
            return await connection.run_sync(work)

    async def _live(self, connection: AsyncConnection) -> AsyncpgConnection:
        """Return the driver's connection, if it responds, or that of a new one."""
        while True:
            driver = cast("AsyncpgConnection", (await connection.get_raw_connection()).driver_connection)
            if self._connections.get(driver) == self._generation and not driver.is_closed():
                limit = asyncio.get_running_loop().call_later(CHECK_LIMIT, driver.terminate)
                try:
                    await driver.execute("SELECT 1")
                except self.failures:
                    self._generation += 1
                else:
                    return driver
                finally:
                    limit.cancel()
            self._connections.pop(driver, None)
            await connection.invalidate()

    async def _connect(self) -> AsyncpgConnection:
        connection = await _connect(self._url)
        self._connections = {old: age for old, age in self._connections.items() if not old.is_closed()}
        self._connections[connection] = self._generation
        return connection


def _terminate(connection: Any, *_: object) -> None:
    """End a connection that is given up, such as that of a cancelled transaction, at once.

    SQLAlchemy would wait for the server to agree, and a second cancellation, such as that by the end of an event loop,
    would leave the connection half closed.
    """
    connection.driver_connection.terminate()


async def connect(url: str) -> AsyncpgConnection:
    """Open a connection of asyncpg's own; its errors are asyncpg's, ``OSError`` and `ConfigurationError`."""
    return await _connect(parse_postgresql_url(url))


def is_lasting(cause: BaseException | None) -> bool:
    """Whether a failure is permanent."""
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    return sqlstate is not None and sqlstate.startswith(_LASTING_STATES)


async def _connect(url: PostgresqlUrl) -> AsyncpgConnection:
    asyncpg = _asyncpg()
    settings: dict[str, Any] = {}
    if url.statement_cache_size is not None:
        settings["statement_cache_size"] = url.statement_cache_size
    try:
        connection: AsyncpgConnection = await asyncpg.connect(
            url.dsn, timeout=url.timeout, server_settings=url.server_settings, **settings
        )
    except asyncpg.PostgresError as error:
        if url.server_settings and error.sqlstate in _REFUSED_SETTING:
            named = [name for name in url.server_settings if name in str(error)] or [*url.server_settings]
            raise ConfigurationError(
                f"PostgreSQL refuses what the URL sets: {', '.join(named)}; correct it, or leave it out"
            ) from None
        raise
    except ConnectionError as error:
        if url.requires_tls and "SSL" in str(error):
            raise ConfigurationError(
                "the PostgreSQL server does not offer TLS, and the password would go out in clear; let it offer TLS, "
                "or write ?sslmode=disable into the URL if everyone on the way to it may be trusted"
            ) from None
        raise
    except (ValueError, asyncpg.InterfaceError) as error:
        # Not the error's text: it may quote the URL.
        raise ConfigurationError(f"{UNREADABLE} ({type(error).__name__})") from None
    return connection


def _asyncpg() -> Any:
    try:
        return importlib.import_module("asyncpg")
    except ImportError as missing:
        raise missing_extra("postgres", needs="asyncpg", purpose="a PostgreSQL database") from missing
