"""A transaction of Django: ``transaction.atomic()`` on ``django.db.connection``."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy.dialects import postgresql, sqlite

from kaspi_delivery_async._database.database import reason
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.outbox.enqueueing.insertion import not_a_transaction, other_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Dialect, Executable


class DjangoTransaction:
    """The transaction of a Django connection."""

    def __init__(self, connection: Any, options: Mapping[str, Any]) -> None:
        self.is_postgresql: bool = connection.vendor == "postgresql"
        self._connection = connection
        self._options = options

    def check(self) -> None:
        """Raise `ConfigurationError` outside of `atomic`, and for other kinds of databases."""
        if self._connection.vendor not in {"postgresql", "sqlite"}:
            raise other_database()
        if not self._connection.in_atomic_block and self._connection.get_autocommit():
            raise not_a_transaction("Django's connection autocommits outside of `transaction.atomic()`")

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Mapping[Any, Any]]:
        """Execute a statement in Django's way of marking parameters."""
        plain: Any = statement
        # SQLite has no schema that a name could be translated to.
        options = {**self._options, "render_schema_translate": True} if self.is_postgresql else {}
        compiled = plain.compile(dialect=_dialect(is_postgresql=self.is_postgresql), **options)
        values = compiled.construct_params(parameters)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(str(compiled), [values[name] for name in compiled.positiontup])
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
