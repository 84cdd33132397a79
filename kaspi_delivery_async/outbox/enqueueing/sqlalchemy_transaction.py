"""A transaction of SQLAlchemy: of a session or a connection, on any driver."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import (
    DBAPIError,
    InvalidRequestError,
    ResourceClosedError,
    SQLAlchemyError,
)

from kaspi_delivery_async._database.database import driver_error, reason
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.outbox.enqueueing.insertion import not_a_transaction, other_database
from kaspi_delivery_async.outbox.enqueueing.prepared import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.orm import Session

_MISSING_TABLE = "42P01"
"""SQLSTATE of a statement on a table that is not there."""

_MISSING_SCHEMA = "3F000"


class SqlalchemyTransaction:
    """The transaction of an open connection."""

    def __init__(self, connection: Connection, schema: str | None) -> None:
        self.is_postgresql: bool = connection.dialect.name == "postgresql"
        self._connection = connection
        self._schema = schema

    def check(self) -> None:
        """Raise `ConfigurationError` for one that autocommits, and for other kinds of databases."""
        if self._connection.dialect.name not in {"postgresql", "sqlite"}:
            raise other_database()
        if _autocommits(self._connection):
            raise not_a_transaction("the session or connection autocommits")

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Mapping[Any, Any]]:
        """Execute a statement."""
        try:
            known = prepared(statement, self._connection.dialect, self._schema)
            return self._connection.exec_driver_sql(known.sql, known.parameters(parameters)).mappings().all()
        except DBAPIError as error:
            if _is_missing_table(error):
                raise other_database() from None
            raise _storage_error(error) from driver_error(error)


def connection_of(given: Session | Connection) -> Connection:
    """Return a session's or connection's open connection; raises `ConfigurationError` if it is closed."""
    try:
        connection = given if isinstance(given, Connection) else given.connection()
    except (InvalidRequestError, ResourceClosedError) as error:
        raise not_a_transaction(f"the session cannot be used ({type(error).__name__})") from error
    except DBAPIError as error:
        raise _storage_error(error) from driver_error(error)
    if connection.closed or connection.invalidated:
        raise not_a_transaction("the connection is closed")
    return connection


def _autocommits(connection: Connection) -> bool:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        # Of `sqlite3` before Python 3.12, and of asynchronous drivers over it, it is `isolation_level` that says it.
        modern = getattr(getattr(driver, "_conn", driver), "autocommit", -1)
        autocommits = driver.isolation_level is None if modern == -1 else bool(modern)
        return autocommits and not driver.in_transaction
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def _is_missing_table(error: DBAPIError) -> bool:
    cause = driver_error(error)
    if isinstance(cause, sqlite3.OperationalError):
        return str(cause).startswith("no such table")
    return getattr(cause, "sqlstate", getattr(cause, "pgcode", None)) in {_MISSING_TABLE, _MISSING_SCHEMA}


def _storage_error(error: SQLAlchemyError) -> StorageError:
    return StorageError(f"the shop's database cannot be used: {reason(driver_error(error))}")
