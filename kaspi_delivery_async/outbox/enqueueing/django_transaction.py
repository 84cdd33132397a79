"""A transaction of Django: ``transaction.atomic()`` on ``django.db.connection``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.dialects import postgresql, sqlite

from kaspi_delivery_async._database.database import reason
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.outbox.enqueueing.insertion import not_a_transaction, other_database
from kaspi_delivery_async.outbox.enqueueing.prepared import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Dialect, Executable


class DjangoTransaction:
    """The transaction of a Django connection."""

    def __init__(self, connection: Any, schema: str | None) -> None:
        self.is_postgresql: bool = connection.vendor == "postgresql"
        self._connection = connection
        self._schema = schema

    def check(self) -> None:
        """Raise `ConfigurationError` outside of `atomic`, and for other kinds of databases."""
        if self._connection.vendor not in {"postgresql", "sqlite"}:
            raise other_database()
        if not self._connection.in_atomic_block and self._connection.get_autocommit():
            raise not_a_transaction("Django's connection autocommits outside of `transaction.atomic()`")

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Mapping[Any, Any]]:
        """Execute a statement in Django's way of marking parameters."""
        known = prepared(statement, _dialect(is_postgresql=self.is_postgresql), self._schema)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(known.sql, known.parameters(parameters))
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except DatabaseError as error:
            cause = error.__cause__ or error
            if "no such table" in str(cause) or getattr(cause, "sqlstate", None) in {"42P01", "3F000"}:
                raise other_database() from None
            raise StorageError(f"the shop's database cannot be used: {reason(cause)}") from cause


@cache
def _dialect(*, is_postgresql: bool) -> Dialect:
    dialect: Dialect = (postgresql if is_postgresql else sqlite).dialect(paramstyle="format")
    return dialect
