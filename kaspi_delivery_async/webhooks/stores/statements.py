"""The inbox's table, the same on SQLite and PostgreSQL, and every statement on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    Text,
    and_,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kaspi_delivery_async.webhooks.stored_events import EventState
from kaspi_delivery_async.webhooks.stores.tables import events

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Delete, Executable, Update

    from kaspi_delivery_async.webhooks.stored_events import EventUpdate, Lease


_row = events.c
_waiting = _row.state == EventState.WAITING


def add(*, is_postgresql: bool) -> Executable:
    """Insert the rows given as parameters, or count their duplicates; returns key and duplicates of each.

    Parameters: the columns ``key`` (none of them twice), ``body``, ``received_at``, ``state``, ``due_at``,
    ``error`` and ``duplicates``, what came more than once.
    """
    insert = (postgresql.insert if is_postgresql else sqlite.insert)(events)
    duplicates = _row.duplicates + insert.excluded.duplicates + 1
    return insert.on_conflict_do_update(index_elements=["key"], set_={"duplicates": duplicates}).returning(
        _row.key, _row.duplicates
    )


def notify(channel: str) -> Executable:
    """Notify a channel's listeners when the transaction is committed; PostgreSQL only. Parameter: ``payload``."""
    return select(func.pg_notify(channel, bindparam("payload", type_=Text)))


def lease(*, worker: str, now: float, until: float, limit: int) -> Executable:
    """Lease what has been due longest; returns number, attempts and body."""
    due = (
        select(_row.number)
        .where(_waiting, _row.due_at <= now)
        .order_by(_row.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL: what another worker is taking right now is not waited for
    )
    return (
        update(events)
        .where(_row.number.in_(due.scalar_subquery()))
        .values(worker=worker, due_at=until, attempts=_row.attempts + 1)
        .returning(_row.number, _row.attempts, _row.body)
    )


def renew(leases: Iterable[Lease], *, until: float) -> Update:
    """Extend leases."""
    return update(events).where(_held(leases)).values(due_at=until)


def release(leases: Iterable[Lease], *, now: float) -> Update:
    """Give leases back."""
    return update(events).where(_held(leases)).values(worker=None, due_at=now, attempts=_row.attempts - 1)


def record(lease: Lease, result: EventUpdate) -> Update:
    """Record the result of handling an event, and end its lease."""
    return (
        update(events)
        .where(_held([lease]))
        .values(worker=None, state=result.state, due_at=result.due_at, error=result.error)
    )


def dead_letters(*, limit: int) -> Executable:
    """List dead letters; returns their fields."""
    return (
        select(_row.number, _row.received_at, _row.attempts, _row.duplicates, _row.error, _row.body)
        .where(_row.state == EventState.DEAD)
        .order_by(_row.number)
        .limit(limit)
    )


def replay(numbers: Collection[int] | None, *, now: float) -> Update:
    """Make dead letters due."""
    statement = (
        update(events).where(_row.state == EventState.DEAD).values(state=EventState.WAITING, due_at=now, attempts=0)
    )
    return statement if numbers is None else statement.where(_row.number.in_(numbers))


def totals() -> Executable:
    """Count; returns the fields of `InboxTotals`."""
    return select(
        func.count().filter(_waiting).label("waiting"),
        func.count().filter(_row.state == EventState.HANDLED).label("handled"),
        func.count().filter(_row.state == EventState.DEAD).label("dead"),
        func.coalesce(func.sum(_row.duplicates), 0).label("duplicates"),
        func.coalesce(func.sum(_row.attempts), 0).label("attempts"),
        func.min(_row.received_at).filter(_waiting).label("oldest_received_at"),
    ).select_from(events)


def prune(*, before: float) -> Delete:
    """Forget what was handled."""
    return delete(events).where(_row.state == EventState.HANDLED, _row.received_at < before)


def _held(leases: Iterable[Lease]) -> ColumnElement[bool]:
    """Match the rows whose leases are still the workers' own."""
    # As rows and not as alternatives, which SQLite nests, and no deeper than 1,000. It finds them by their numbers.
    held = [(lease.number, lease.worker, lease.attempt) for lease in leases]
    return and_(
        _waiting,
        _row.number.in_([number for number, _, _ in held]),
        tuple_(_row.number, _row.worker, _row.attempts).in_(held),
    )
