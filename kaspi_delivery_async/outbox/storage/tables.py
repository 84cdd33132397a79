"""Tables of the outbox, and their version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, String, Table, Text, TextClause, text

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
"""Counts up whenever the tables change."""

metadata: MetaData = MetaData()

# SQLite counts rows by itself in a column of the type INTEGER only.
_Number = BigInteger().with_variant(Integer, "sqlite")


entries: Table = Table(
    "kaspi_delivery_outbox_entries",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True),
    # The default idempotency key of the order id, which identifies the order: an index takes no text of any length.
    Column("order_key", String(128), nullable=False, unique=True),
    Column("order_id", Text, nullable=False),
    Column("idempotency_key", String(128), nullable=False, unique=True),
    Column("fingerprint", String(64), nullable=False),
    # Until it is pruned: it holds phones and addresses.
    Column("body", Text),
    Column("state", String(16), nullable=False),
    # The relay that is sending it; the claim holds for as long as that relay renews its lease.
    Column("owner", String(32)),
    # Digest of the API key that it was first sent under: another account may not know the idempotency key.
    Column("account", String(16)),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("enqueued_at", Float(53), nullable=False),
    Column("first_sent_at", Float(53)),
    Column("updated_at", Float(53), nullable=False),
    Column("not_before", Float(53)),
    # When it is to be sent, or sent again.
    Column("due_at", Float(53), nullable=False),
    Column("delivery_id", Text),
    Column("tracking_url", Text),
    Column("status", Text),
    # When the delivery was last read, or an event of it came; and when it is to be read next.
    Column("seen_at", Float(53)),
    Column("poll_at", Float(53)),
    Column("polls", Integer, nullable=False),
    # When the callbacks are to be called; empty where there is nothing to report.
    Column("result_due", Float(53)),
    Column("result_failures", Integer, nullable=False),
    Column("status_due", Float(53)),
    Column("status_failures", Integer, nullable=False),
)

_row = entries.c


def columns(names: Iterable[str]) -> list[Column[Any]]:
    """Return columns of the entries by their names."""
    by_name = {column.name: column for column in entries.columns}
    return [by_name[name] for name in names]


IS_TO_BE_SENT: TextClause = text("state IN ('pending', 'sent')")
"""Whether an entry is to be sent; as a text, because no index is used whose condition has parameters."""

for _name, _columns, _condition in (
    ("due", (_row.due_at, _row.number), IS_TO_BE_SENT),
    ("result", (_row.result_due,), _row.result_due.is_not(None)),
    ("status", (_row.status_due,), _row.status_due.is_not(None)),
    ("poll", (_row.poll_at,), _row.poll_at.is_not(None)),
):
    Index(f"kaspi_delivery_outbox_{_name}", *_columns, postgresql_where=_condition, sqlite_where=_condition)

# By hash, which takes an id of any length.
Index("kaspi_delivery_outbox_delivery", _row.delivery_id, postgresql_using="hash")


# Each status that a delivery has been through, in order.
statuses: Table = Table(
    "kaspi_delivery_outbox_statuses",
    metadata,
    Column("entry", _Number, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("reported_at", Float(53)),
)


# Relays, each until its lease ends.
relays: Table = Table(
    "kaspi_delivery_outbox_relays",
    metadata,
    Column("owner", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("alive_until", Float(53), nullable=False),
    Column("paused_since", Float(53)),
    Column("paused_until", Float(53)),
    Column("reason", Text),
)


# One row: which version the tables have, which outbox this is, and which environment its orders are for.
version: Table = Table(
    "kaspi_delivery_outbox_version",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("identity", String(32), nullable=False),
    Column("environment", Text),
    # When the last event of any delivery was observed, give or take a few seconds.
    Column("last_event_at", Float(53)),
)
