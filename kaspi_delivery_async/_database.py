"""Opens the SQLite file or PostgreSQL database that the inbox and the journal keep their tables in.

A location is a file's path, or a URL: ``postgresql://…`` or ``sqlite:///…``. Several components and
several processes may share one; each component's tables are created on first use, and their
version is written down beside them, so that a later release knows what it finds.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import sqlite3
import time
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs

from kaspi_delivery_async.errors import ConfigurationError, StorageError

try:
    from sqlalchemy import URL, Column, Integer, MetaData, String, Table, event, insert, select, text
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
except ImportError as missing:
    raise ConfigurationError(
        "keeping events or orders in a database needs SQLAlchemy with asyncio; "
        'install it by: pip install "kaspi-delivery-async[store]" (SQLite) or "kaspi-delivery-async[postgres]"'
    ) from missing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_TIMEOUT = 5.0
"""Seconds to wait for a connection, or for another process's write to end, before it counts as failure."""

POSTGRESQL_CONNECTIONS = 5
"""Connections to PostgreSQL, at the most. SQLite gets one: a file has one writer at a time anyway."""

_SCHEME = re.compile(r"(?P<name>[a-z0-9]+)(\+[a-z0-9]+)?://", re.IGNORECASE)

_VERSIONS = Table(
    "kaspi_delivery_schema",
    MetaData(),
    Column("component", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
)

# Only one process at a time may look for tables and create them; the number is arbitrary, but for ever the same.
_CREATION_LOCK = text("SELECT pg_advisory_xact_lock(7420191128)")

_WRITES = "kaspi_delivery_writes"

_LASTING_SQLITE = {
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

_LASTING_POSTGRESQL = ("28", "3D", "3F", "42")
"""Classes of SQLSTATE that no later attempt will mend: wrong credentials, no such database or schema, no permission."""


@attrs.frozen(kw_only=True)
class Schema:
    """The tables of one component."""

    component: str
    """Its name, such as ``inbox``: at most 64 characters, for ever the same."""
    version: int
    """Counts up whenever the tables change."""
    tables: MetaData


Place = Path | str
"""An SQLite file, or a PostgreSQL URL as libpq and asyncpg read it; that one holds a password."""


def parse_location(location: str | os.PathLike[str]) -> Place:
    """Tell what a location means; raises `ConfigurationError` for any URL but SQLite's and PostgreSQL's.

    No message repeats the location: a URL holds a password.
    """
    spelled = os.fspath(location)
    if scheme := _SCHEME.match(spelled):
        name, rest = scheme["name"].lower(), spelled[scheme.end() :]
        if name in {"postgresql", "postgres"}:
            return f"postgresql://{rest}"
        if name != "sqlite" or not rest.startswith("/"):
            raise ConfigurationError(
                f"{name}:// is no database location; it is a file's path, sqlite:///path or postgresql://user@host/name"
            )
        spelled = rest[1:]
    if spelled in {"", ":memory:"} or "\0" in spelled:
        raise ConfigurationError("a database needs the path of a file, which outlives the process")
    return Path(spelled).absolute()


class Database:
    """An open database with the tables of one component; for one event loop.

    `reading` and `writing` give a transaction, committed at the end and rolled back by an
    exception. Keep them short, with nothing else awaited in between: on SQLite there is one
    connection, and everyone waits for it in turn. Both raise `StorageError`.
    """

    def __init__(self, place: Place) -> None:
        """Connect to nothing yet; use `open`."""
        self.is_postgresql: bool = isinstance(place, str)
        """Whether it is PostgreSQL, and not SQLite."""
        self._name = "the PostgreSQL database" if isinstance(place, str) else str(place)
        self._failures = _failures(place)
        self._reader = _postgresql_engine(place) if isinstance(place, str) else _sqlite_engine(place)
        self._writer = self._reader.execution_options(**{_WRITES: True})  # over the same connections

    @classmethod
    async def open(cls, location: str | os.PathLike[str], schema: Schema) -> Self:
        """Open a database, creating the file (mode 0600) and the component's tables where they do not exist.

        Raises `ConfigurationError` for what has to be put right by hand: a path or server that cannot
        be used, another program's file, tables of another version, a package that is not installed;
        `StorageError` for what may pass.
        """
        place = parse_location(location)
        database = cls(place)
        try:
            if isinstance(place, Path):
                with database._translated():
                    await asyncio.to_thread(_prepare_file, place)
            async with database.writing() as connection:
                if database.is_postgresql:
                    await connection.execute(_CREATION_LOCK)
                await connection.run_sync(_create, schema, database._name)
        except StorageError as error:
            await database.close()
            if _is_lasting(error.__cause__):
                raise ConfigurationError(str(error)) from error.__cause__
            raise
        except ValueError as error:
            await database.close()
            raise ConfigurationError("the PostgreSQL URL cannot be read; it is postgresql://user@host/name") from error
        except BaseException:
            await database.close()
            raise
        return database

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """Give a transaction that only reads."""
        with self._translated():
            async with self._reader.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """Give a transaction that may write; on SQLite no other process writes from its beginning to its end."""
        with self._translated():
            async with self._writer.begin() as connection:
                yield connection

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.dispose()

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except self._failures as error:
            # With the driver's own error, if there is one: it tells what happened, and quotes no parameters.
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            raise StorageError(f"{self._name} cannot be used: {_reason(cause)}") from cause


async def connect_postgresql(dsn: str) -> Any:
    """Open a connection of asyncpg's own, outside of any `Database`; its errors are asyncpg's and ``OSError``."""
    return await _driver("asyncpg", extra="postgres").connect(dsn, timeout=BUSY_TIMEOUT)


def _failures(place: Place) -> tuple[type[Exception], ...]:
    """List what a database raises when it fails; raises `ConfigurationError` if its driver is not installed."""
    if isinstance(place, Path):
        _driver("aiosqlite", extra="store")
        return SQLAlchemyError, sqlite3.Error, OSError
    # SQLAlchemy 2.0 lets the driver's errors through as they are while it connects.
    return SQLAlchemyError, OSError, _driver("asyncpg", extra="postgres").PostgresError


def _driver(name: str, *, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        raise ConfigurationError(
            f'this database needs {name}; install it by: pip install "kaspi-delivery-async[{extra}]"'
        ) from missing


def _postgresql_engine(dsn: str) -> AsyncEngine:
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect_postgresql(dsn),
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        pool_pre_ping=True,  # a restart of the server costs no transaction
        hide_parameters=True,
    )


def _sqlite_engine(path: Path) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # The driver's own transactions would begin only at the first write, too late to wait for a lock.
        connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None},
        pool_size=1,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # Overwrite what is deleted: it holds phones and addresses. Not every build of SQLite does so by itself.
    connection.cursor().execute("PRAGMA secure_delete = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare_file(path: Path) -> None:
    """Create the file, or make sure that it is ours, before anything in it is changed."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and _VERSIONS.name not in tables:
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


def _create(connection: Connection, schema: Schema, name: str) -> None:
    _VERSIONS.metadata.create_all(connection)
    known = _VERSIONS.c.component == schema.component
    version = connection.scalar(select(_VERSIONS.c.version).where(known))
    if version is None:
        schema.tables.create_all(connection)
        connection.execute(insert(_VERSIONS).values(component=schema.component, version=schema.version))
    elif version != schema.version:
        age = "a newer" if version > schema.version else "an older"
        raise ConfigurationError(
            f"the tables of {schema.component} in {name} have version {version}, made by {age} kaspi-delivery-async; "
            f"this one reads version {schema.version}: use the release that made them, or another database"
        )


def _reason(cause: BaseException) -> str:
    """Say what went wrong; PostgreSQL's own words may quote what was written, and are left out."""
    if isinstance(cause, sqlite3.Error):
        return str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    return f"SQLSTATE {sqlstate}" if sqlstate else type(cause.__cause__ or cause).__name__


def _is_lasting(cause: BaseException | None) -> bool:
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode & 0xFF in _LASTING_SQLITE
    if isinstance(cause, _LASTING_FILE):
        return True
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate.startswith(_LASTING_POSTGRESQL)
    return cause is not None and isinstance(cause.__cause__, ValueError)  # asyncpg on a setting in the URL
