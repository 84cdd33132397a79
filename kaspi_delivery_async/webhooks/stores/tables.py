"""The table of the inbox, and its version."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from kaspi_delivery_async._database.database import Schema

_metadata = MetaData()


# SQLite counts rows by itself in a column of the type INTEGER only.
_Number = BigInteger().with_variant(Integer, "sqlite")


events: Table = Table(
    "kaspi_delivery_events",
    _metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Float(53), nullable=False),
    Column("state", String(16), nullable=False),
    # When a waiting event may be handled; while it is leased, when the lease ends. By the clock of `statements.now`.
    Column("due_at", Float(53), nullable=False),
    # How long before `due_at` that was written down.
    Column("wait", Float(53), nullable=False, default=0.0),
    Column("worker", String(64)),
    Column("attempts", Integer, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("error", Text),
    Index("kaspi_delivery_events_due", "state", "due_at"),
)


INBOX = Schema(component="inbox", version=2, tables=_metadata)
