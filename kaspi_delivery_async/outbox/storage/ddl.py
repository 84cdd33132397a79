"""The statements that make the outbox's tables, for migrations of other libraries."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from kaspi_delivery_async.outbox.storage.tables import VERSION, metadata, version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect


def creating(*, is_postgresql: bool) -> Iterator[str]:
    """Yield the statements that make the tables, and the row that identifies the outbox."""
    dialect: Dialect = (postgresql if is_postgresql else sqlite).dialect()
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))
    yield f"INSERT INTO {version.name} (number, version, identity) VALUES (1, {VERSION}, '{uuid.uuid4().hex}')"  # noqa: S608


def dropping() -> Iterator[str]:
    """Yield the statements that drop the tables."""
    for table in metadata.sorted_tables:
        yield f"DROP TABLE {table.name}"
