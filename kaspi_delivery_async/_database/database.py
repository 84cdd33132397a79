"""Opens the SQLite file or PostgreSQL database that the inbox and the journal keep their tables in.

A location is a file's path, or a URL: ``postgresql://…`` or ``sqlite:///…``. Several components and
several processes may share one; each component's tables are created on first use, and their
version is written down beside them, so that a later release knows what it finds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import attrs

from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async.errors import ConfigurationError, StorageError

try:
    from sqlalchemy import Column, Float, Integer, MetaData, String, Table, cast, extract, func, insert, select, text
    from sqlalchemy.exc import DBAPIError
except ImportError as _missing:
    raise missing_extra(
        "store", "postgres", needs="SQLAlchemy", purpose="storing events or orders in a database"
    ) from _missing

from kaspi_delivery_async._database import postgresql, sqlite
from kaspi_delivery_async._database.location import DatabaseLocation, parse_location

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Generator

    from sqlalchemy import Connection, Executable

T = TypeVar("T")


_VERSIONS = Table(
    sqlite.VERSIONS_TABLE,
    MetaData(),
    Column("component", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
)

CREATION_LOCK = text("SELECT pg_advisory_xact_lock(7420191128)")
"""Lets one process at a time look for tables and create them; the number is arbitrary, but for ever the same."""


@attrs.frozen(kw_only=True)
class Schema:
    """The tables of one component."""

    component: str
    """Its name, such as ``inbox``: at most 64 characters, for ever the same."""
    version: int
    """Counts up whenever the tables change."""
    tables: MetaData
    erase_after: float | None = None
    """Seconds after which what was deleted or overwritten in an SQLite file is not in its write-ahead log either.

    None leaves that to SQLite.
    """


class Engine(Protocol):
    """What runs transactions."""

    name: str
    """What messages call it."""
    is_postgresql: bool
    failures: tuple[type[Exception], ...]
    """What it raises when it fails."""
    is_lost: bool
    """Whether it has to be opened again."""

    async def prepare(self) -> None: ...
    async def run(self, work: Callable[[Connection], T], *, writes: bool) -> T: ...
    async def close(self) -> None: ...
    def abandon(self) -> None: ...


class Database:
    """An open database with the tables of one component; for one event loop.

    A transaction is a function of SQLAlchemy's `Connection`, committed when it returns and rolled
    back by an exception. It runs beside the event loop on SQLite: keep it to itself, and short.
    """

    def __init__(self, engine: Engine) -> None:
        """Connect to nothing yet; use `open`."""
        self._engine = engine
        self.is_postgresql: bool = self._engine.is_postgresql
        """Whether it is PostgreSQL, and not SQLite."""
        self._is_closed = False
        self._running: set[asyncio.Future[None]] = set()

    @classmethod
    async def open(cls, location: str | os.PathLike[str], schema: Schema) -> Self:
        """Open a database, creating the file (mode 0600) and the component's tables where they do not exist.

        Raises `ConfigurationError` for what has to be put right by hand: a path or server that cannot
        be used, another program's file, tables of another version, a package that is not installed;
        `StorageError` for what may pass.
        """
        database = cls(_engine_at(parse_location(location), schema))
        create = partial(_create, schema=schema, name=database._engine.name)
        await database.start(lambda: database.write(create))
        return database

    async def start(self, set_up: Callable[[], Awaitable[None]]) -> None:
        """Connect, and run the first transactions; closed again if that fails. Raises as `open` does."""
        try:
            with self._translated():
                await self._engine.prepare()
            await set_up()
        except StorageError as error:
            await self.close()
            if (postgresql if self.is_postgresql else sqlite).is_lasting(error.__cause__):
                raise ConfigurationError(str(error)) from error.__cause__
            raise
        except BaseException:
            await self.close()
            raise

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads; raises `StorageError`."""
        return await self._run(work, writes=False)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that may write; on SQLite no other process writes meanwhile. Raises `StorageError`."""
        return await self._run(work, writes=True)

    @property
    def is_lost(self) -> bool:
        """Whether its file was deleted or replaced: every transaction fails, until the database is opened again."""
        return self._engine.is_lost

    async def close(self) -> None:
        """Close the connections, once the transactions in progress have ended; those that follow fail."""
        self._is_closed = True
        if self._running:
            await asyncio.wait(self._running)
        await self._engine.close()

    def abandon(self) -> None:
        """Let go of the connections of an event loop that was closed."""
        self._engine.abandon()

    async def _run(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        with self._in_use():
            return await self._engine.run(work, writes=writes)

    @contextmanager
    def _in_use(self) -> Generator[None]:
        """Keep the connections open, and translate errors."""
        if self._is_closed:
            raise StorageError(f"{self._engine.name} cannot be used: it was closed meanwhile")
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running.add(ended)
        try:
            with self._translated():
                yield
        finally:
            self._running.remove(ended)
            ended.set_result(None)

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except self._engine.failures as error:
            cause = driver_error(error)
            raise StorageError(f"{self._engine.name} cannot be used: {reason(cause)}") from cause


def _engine_at(place: DatabaseLocation, schema: Schema) -> Engine:
    if isinstance(place, str):
        return postgresql.PostgresqlDatabase(place)
    return sqlite.SqliteFile(place, erase_after=schema.erase_after)


def database_time() -> Executable:
    """Read PostgreSQL's clock: Unix seconds."""
    return select(cast(extract("epoch", func.clock_timestamp()), Float(53)))


def _create(connection: Connection, *, schema: Schema, name: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(CREATION_LOCK)
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


def driver_error(error: Exception) -> BaseException:
    """Return the driver's own error, if there is one: SQLAlchemy's quotes the parameters."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def reason(cause: BaseException) -> str:
    """Say what went wrong; PostgreSQL's own words may quote what was written, and are left out."""
    if isinstance(cause, sqlite3.Error):
        return str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    return f"SQLSTATE {sqlstate}" if sqlstate else type(cause.__cause__ or cause).__name__
