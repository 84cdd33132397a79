"""Opens the outbox in the shop's database: finds or makes its tables, and knows it by its identity."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from sqlalchemy import func, inspect, select

from kaspi_delivery_async._database.database import CREATION_LOCK, Database
from kaspi_delivery_async._database.postgresql import PostgresqlDatabase
from kaspi_delivery_async.errors import ConfigurationError, StorageError
from kaspi_delivery_async.outbox.storage.shared_file import SharedSqliteFile
from kaspi_delivery_async.outbox.storage.statements import insert_for
from kaspi_delivery_async.outbox.storage.tables import VERSION, metadata, version

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from kaspi_delivery_async._database.location import DatabaseLocation

T = TypeVar("T")

CONNECTIONS = 10
"""Maximum number of connections to PostgreSQL."""

_WHAT_TO_DO = (
    "create them by Alembic from `DeliveryOutbox.metadata`, by the migration of "
    "`kaspi_delivery_async.outbox.django_app`, or by entering a DeliveryOutbox with create_tables=True once as a user "
    "who may create tables"
)


@attrs.frozen(kw_only=True)
class Identity:
    """Which outbox a database holds, and where in it."""

    identity: str
    """Random, made with the tables."""
    schema: str | None
    """Schema of the tables on PostgreSQL; None on SQLite."""

    @property
    def options(self) -> dict[str, Any]:
        """Execution options of the outbox's statements."""
        return {"schema_translate_map": {None: self.schema}}


class OutboxDatabase(Database):
    """The shop's database, with the tables of the outbox; for one event loop."""

    def __init__(self, place: DatabaseLocation, *, schema: str | None, create_tables: bool) -> None:
        """Connect to nothing yet; use `enter`."""
        self._shared: PostgresqlDatabase | SharedSqliteFile = (
            PostgresqlDatabase(place, connections=CONNECTIONS)
            if isinstance(place, str)
            else SharedSqliteFile(place, creates=create_tables)
        )
        super().__init__(self._shared)
        if schema is not None and not self.is_postgresql:
            raise ConfigurationError("DeliveryOutbox.schema is for PostgreSQL; SQLite has none: leave it out")
        self._schema = schema
        self._create_tables = create_tables
        self.identity: Identity = Identity(identity="", schema=schema)
        """Which outbox this is, once it was entered."""

    async def enter(self) -> Identity:
        """Connect, and find or make the tables; raises `ConfigurationError` and `StorageError`."""
        await self.start(self._set_up)
        return self.identity

    @property
    def file(self) -> SharedSqliteFile | None:
        """The SQLite file; None on PostgreSQL."""
        return self._shared if isinstance(self._shared, SharedSqliteFile) else None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads; raises `StorageError`."""
        return await super().read(partial(self._at_schema, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that may write; raises `StorageError`."""
        return await super().write(partial(self._at_schema, work))

    @asynccontextmanager
    async def transaction(self, *, limit: float) -> AsyncGenerator[AsyncConnection]:
        """Run a transaction from the outside, for at most ``limit`` seconds on PostgreSQL; raises `StorageError`.

        The connection is not bound to the outbox's schema: others use it as well.
        """
        with self._in_use():
            shared = self._shared
            transaction = (
                shared.transaction() if isinstance(shared, SharedSqliteFile) else shared.transaction(limit=limit)
            )
            async with transaction as connection:
                yield connection

    def _at_schema(self, work: Callable[[Connection], T], connection: Connection) -> T:
        return work(connection.execution_options(schema_translate_map={None: self._schema}))

    async def _set_up(self) -> None:
        if self.is_postgresql and self._schema is None:
            # Fixed now: the shop's own connections may have another search path.
            self._schema = await self.read(lambda connection: connection.scalar(select(func.current_schema())))
            if self._schema is None:
                raise ConfigurationError(
                    "the PostgreSQL database has none of the schemas of its search_path; create one, or pass `schema`"
                )
        missing = await self.read(self._missing)
        if missing:
            if not self._create_tables:
                raise ConfigurationError(
                    f"the outbox's tables are missing in {self._name}: {', '.join(missing)}; {_WHAT_TO_DO}"
                )
            await self._make_tables()
        found = await self.read(_version)
        if found is None:
            # Migrations make tables, and no rows.
            await self.write(self._identify)
            found = await self.read(_version)
        number, identity = found or (VERSION, "")
        if number != VERSION:
            age = "a newer" if number > VERSION else "an older"
            raise ConfigurationError(
                f"the outbox's tables in {self._name} have version {number}, made by {age} kaspi-delivery-async; this "
                f"one reads version {VERSION}: use the release that made them, or migrate them as its changelog says"
            )
        self.identity = Identity(identity=identity, schema=self._schema)

    async def _make_tables(self) -> None:
        try:
            await self.write(self._create)
        except StorageError as error:
            # On SQLite, say, by the transaction that an order is being enqueued in.
            raise StorageError(
                f"the outbox's tables are missing, and cannot be made now: {error}; {_WHAT_TO_DO}, before a "
                "transaction of the shop's own has written"
            ) from error.__cause__

    @property
    def _name(self) -> str:
        return self._shared.name if self._schema is None else f"the schema {self._schema} of {self._shared.name}"

    def _missing(self, connection: Connection) -> list[str]:
        there = set(inspect(connection).get_table_names(schema=self._schema))
        return [table.name for table in metadata.sorted_tables if table.name not in there]

    def _create(self, connection: Connection) -> None:
        if self.is_postgresql:
            connection.execute(CREATION_LOCK)
        metadata.create_all(connection)
        self._identify(connection)

    def _identify(self, connection: Connection) -> None:
        row = {"number": 1, "version": VERSION, "identity": uuid.uuid4().hex}
        connection.execute(insert_for(version, is_postgresql=self.is_postgresql).on_conflict_do_nothing(), row)


def _version(connection: Connection) -> tuple[int, str] | None:
    row = connection.execute(select(version.c.version, version.c.identity)).one_or_none()
    return None if row is None else (row.version, row.identity)
