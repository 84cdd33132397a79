"""Statements that run in the shop's own transactions, and look-ups; the same on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Float,
    Text,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kaspi_delivery_async.outbox.entries import ENTRY_FIELDS, OutboxState
from kaspi_delivery_async.outbox.storage.tables import columns, entries, relays, version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Executable, Select, Table, Update

CHANNEL = "kaspi_delivery_outbox"
"""PostgreSQL's channel that wakes relays; the payload is the outbox's identity."""

_row = entries.c
ENTRY: Sequence[Column[Any]] = columns(ENTRY_FIELDS)
"""The columns of an `OutboxEntry`."""

_GIVEN = ("order_key", "order_id", "idempotency_key", "fingerprint", "body")


def insert_for(table: Table, *, is_postgresql: bool) -> postgresql.Insert | sqlite.Insert:
    """Return an insert that may do nothing on a conflict."""
    return postgresql.insert(table) if is_postgresql else sqlite.insert(table)


def clock(*, is_postgresql: bool) -> ColumnElement[float]:
    """Return the time in Unix seconds: parameter ``now``; on PostgreSQL, its own clock if that is None."""
    now = cast(bindparam("now", type_=Float(53)), Float(53))
    if not is_postgresql:
        return now
    return func.coalesce(now, cast(extract("epoch", func.statement_timestamp()), Float(53)))


@cache
def enqueue(*, is_postgresql: bool, notifies: bool) -> Executable:
    """Insert an entry if neither its order nor its key is there, and wake the relays; returns its time.

    Inserts nothing into a database of another identity. Parameters ``order_key``, ``order_id``, ``idempotency_key``,
    ``fingerprint``, ``body``, ``not_before``, ``now`` and ``outbox``.
    """
    now = clock(is_postgresql=is_postgresql)
    not_before = cast(bindparam("not_before", type_=Float(53)), Float(53))
    values: dict[str, Any] = {
        **{name: cast(bindparam(name, type_=Text), Text) for name in _GIVEN},
        "state": literal_column(f"'{OutboxState.PENDING.value}'"),
        "enqueued_at": now,
        "updated_at": now,
        "not_before": not_before,
        "due_at": case((not_before > now, not_before), else_=now),
        **{name: literal_column("0") for name in ("attempts", "polls", "result_failures", "status_failures")},
    }
    row = select(*values.values()).select_from(version).where(version.c.identity == bindparam("outbox", type_=Text))
    returned: list[Any] = [_row.enqueued_at]
    if notifies:  # only for a row that is inserted, and without another round trip
        returned.append(func.pg_notify(CHANNEL, bindparam("outbox", type_=Text)))
    inserted: Any = insert_for(entries, is_postgresql=is_postgresql).from_select(
        list(values), row, include_defaults=False
    )
    statement: Executable = inserted.on_conflict_do_nothing().returning(*returned)
    return statement


@cache
def conflicting() -> Executable:
    """Read the entries that keep an order from being enqueued; parameters ``order_key`` and ``idempotency_key``."""
    return select(_row.order_key, _row.fingerprint, *ENTRY).where(
        (_row.order_key == bindparam("order_key", type_=Text))
        | (_row.idempotency_key == bindparam("idempotency_key", type_=Text))
    )


@cache
def identity() -> Executable:
    """Read which outbox a database holds."""
    return select(version.c.identity)


@cache
def withdraw(*, is_postgresql: bool) -> Update:
    """Withdraw an entry of which nothing has left; parameters ``b_key``, ``now`` and ``outbox``."""
    here = select(version.c.number).where(version.c.identity == bindparam("outbox", type_=Text)).exists()
    return (
        update(entries)
        .where(_row.order_key == bindparam("b_key", type_=Text), _row.state == OutboxState.PENDING.value, here)
        .values(
            state=OutboxState.WITHDRAWN.value,
            body=null(),
            owner=null(),
            error=null(),
            updated_at=clock(is_postgresql=is_postgresql),
        )
        .returning(_row.number)
    )


@cache
def state_of() -> Executable:
    """Read the state of an order's entry; parameter ``order_key``."""
    return select(_row.state).where(_row.order_key == bindparam("order_key", type_=Text))


def find() -> Select[*tuple[Any, ...]]:
    """Read an order's entry; parameter ``order_key``."""
    return select(*ENTRY).where(_row.order_key == bindparam("order_key", type_=Text))


def page(*, states: Sequence[OutboxState], after: int, limit: int) -> Executable:
    """Read a page of the entries, in the order in which they were enqueued; with their numbers."""
    return (
        select(_row.number, *ENTRY)
        .where(_row.state.in_(states), _row.number > after)
        .order_by(_row.number)
        .limit(limit)
    )


def counts() -> Select[*tuple[Any, ...]]:
    """Count entries by state, and find when the oldest of each was enqueued."""
    return select(_row.state, func.count(), func.min(_row.enqueued_at)).group_by(_row.state)


def live_relays(*, now: float) -> Executable:
    """Read the relays that are running."""
    return select(relays).where(relays.c.alive_until > now).order_by(relays.c.name)


def environment() -> Executable:
    """Read which environment the orders are for."""
    return select(version.c.environment)


def choose_environment(environment: str) -> Update:
    """Write down which environment the orders are for, unless it is known."""
    return update(version).where(version.c.environment.is_(None)).values(environment=environment)


def prune(*, states: Sequence[OutboxState], before: float, limit: int) -> Update:
    """Erase what is not needed to recognise the orders again, of final entries that have not changed since a time."""
    some = (
        select(_row.number)
        .where(
            _row.state.in_(states),
            _row.updated_at < before,
            _row.body.is_not(None) | _row.error.is_not(None) | _row.tracking_url.is_not(None),
        )
        .limit(limit)
    )
    return update(entries).where(_row.number.in_(some)).values(body=null(), error=null(), tracking_url=null())
