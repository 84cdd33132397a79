"""Tables of the journal, and their version."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text

from kaspi_delivery_async._database.database import Schema

LONGEST_RUN_ID = 32
"""Characters of the name of a run."""

_metadata = MetaData()


# PostgreSQL sorts them as Python does then, so that everyone locks rows in the same order.
_Key = String(128).with_variant(String(128, collation="C"), "postgresql")


orders: Table = Table(
    "kaspi_delivery_orders",
    _metadata,
    # The idempotency key: two orders that shared one would be one order to the API as well.
    Column("key", _Key, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    # Kept for as long as the order may have to be sent again: it holds phones and addresses.
    Column("body", Text),
    Column("run_id", String(LONGEST_RUN_ID), nullable=False),
    Column("place", Text, nullable=False),
    # The run that is sending it; the claim holds for as long as that run renews its lease.
    Column("owner", String(32)),
    Column("sent_at", Float(53)),
    # Digest of the API key that it was first sent under: another account may not know the idempotency key.
    Column("account", String(16)),
    Column("updated_at", Float(53), nullable=False),
    Column("delivery_id", Text),
    Column("tracking_url", Text),
    Column("error", Text),
)


# Runs, each until its lease ends; and shared rates, each until the first moment at which nobody may send yet.
owners: Table = Table(
    "kaspi_delivery_runs",
    _metadata,
    Column("owner", String(32), primary_key=True),
    Column("alive_until", Float(53), nullable=False),
)


environments: Table = Table(
    "kaspi_delivery_journal",
    _metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
)


JOURNAL = Schema(component="journal", version=1, tables=_metadata, erase_after=5.0)
