"""Every statement on the table of the inbox, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import (
    Float,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    or_,
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

    Now = float | ColumnElement[float]


CLOCK_SLACK = 60.0
"""Seconds by which a transaction's time may be behind that of one before it: each is read before its turn comes."""

_row = events.c
_waiting = _row.state == EventState.WAITING


def now(*, is_postgresql: bool) -> Now:
    """Return the time by a clock that all users of a database share, and that no user sets: seconds since some moment.

    On SQLite, whose users are on one machine, that machine's monotonic clock; it begins again with the machine.
    """
    return cast(func.extract("epoch", func.clock_timestamp()), Float(53)) if is_postgresql else time.monotonic()


def add(*, now: Now, is_postgresql: bool) -> Executable:
    """Insert the rows given as parameters, or count their duplicates; returns key and duplicates of each.

    Parameters: the columns ``key`` (none of them twice), ``body``, ``received_at``, ``state``, ``error`` and
    ``duplicates``, the number of further copies in the same group.
    """
    insert = (postgresql.insert if is_postgresql else sqlite.insert)(events).values(due_at=now)
    duplicates = _row.duplicates + insert.excluded.duplicates + 1
    return insert.on_conflict_do_update(index_elements=["key"], set_={"duplicates": duplicates}).returning(
        _row.key, _row.duplicates
    )


def notify(channel: str) -> Executable:
    """Notify a channel's listeners when the transaction is committed; PostgreSQL only. Parameter: ``payload``."""
    return select(func.pg_notify(channel, bindparam("payload", type_=Text)))


def lease(*, worker: str, now: Now, seconds: float, limit: int) -> Executable:
    """Lease the events that have been due longest; returns number, attempts and body."""
    due = (
        select(_row.number)
        # Further ahead than it was put off: the clock has begun again since.
        .where(_waiting, or_(_row.due_at <= now, _row.due_at > now + _row.wait + CLOCK_SLACK))
        .order_by(_row.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL: rows that another worker is leasing are not waited for
        .cte("due")  # evaluated once; a subquery, PostgreSQL may evaluate for each row, and lease more than the limit
    )
    return (
        update(events)
        .where(_row.number.in_(select(due.c.number)))
        .values(worker=worker, attempts=_row.attempts + 1, **_due_in(seconds, now))
        .returning(_row.number, _row.attempts, _row.body)
    )


def lock(numbers: Collection[int]) -> Executable:
    """Lock rows in the order in which `add` does, by key, so that no two transactions wait for each other."""
    return select(_row.number).where(_row.number.in_(numbers)).order_by(_row.key).with_for_update()


def renew(leases: Iterable[Lease], *, now: Now, seconds: float) -> Update:
    """Extend leases."""
    return update(events).where(_held(leases)).values(_due_in(seconds, now))


def release(leases: Iterable[Lease], *, now: Now) -> Update:
    """Give leases back."""
    return update(events).where(_held(leases)).values(worker=None, attempts=_row.attempts - 1, **_due_in(0.0, now))


def record(lease: Lease, result: EventUpdate, *, now: Now) -> Update:
    """Record the result of handling an event, and end its lease."""
    return (
        update(events)
        .where(_held([lease]))
        .values(worker=None, state=result.state, error=result.error, **_due_in(result.delay, now))
    )


def dead_letters(*, limit: int) -> Executable:
    """List dead letters; returns their fields."""
    return (
        select(_row.number, _row.received_at, _row.attempts, _row.duplicates, _row.error, _row.body)
        .where(_row.state == EventState.DEAD)
        .order_by(_row.number)
        .limit(limit)
    )


def dead_numbers() -> Executable:
    """List the numbers of all dead letters."""
    return select(_row.number).where(_row.state == EventState.DEAD).order_by(_row.number)


def replay(numbers: Collection[int], *, now: Now) -> Update:
    """Make dead letters due."""
    return (
        update(events)
        .where(_row.state == EventState.DEAD, _row.number.in_(numbers))
        .values(state=EventState.WAITING, attempts=0, **_due_in(0.0, now))
    )


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


def old_numbers(*, before: float, limit: int) -> Executable:
    """List the numbers of events that were handled and received before a time."""
    return select(_row.number).where(_row.state == EventState.HANDLED, _row.received_at < before).limit(limit)


def prune(numbers: Collection[int]) -> Delete:
    """Delete events that were handled."""
    return delete(events).where(_row.state == EventState.HANDLED, _row.number.in_(numbers))


def newest() -> Executable:
    """Return the highest number."""
    return select(func.coalesce(func.max(_row.number), 0))


def newer(*, after: int, limit: int) -> Executable:
    """Read the events with higher numbers; returns number and body."""
    return select(_row.number, _row.body).where(_row.number > after).order_by(_row.number).limit(limit)


def _due_in(seconds: float, now: Now) -> dict[str, Now]:
    return {"due_at": now + seconds, "wait": seconds}


def _held(leases: Iterable[Lease]) -> ColumnElement[bool]:
    """Match the rows whose leases are still the workers' own."""
    # As rows and not as alternatives, which SQLite nests, and no deeper than 1,000. It finds them by their numbers.
    held = [(lease.number, lease.worker, lease.attempt) for lease in leases]
    return and_(
        _waiting,
        _row.number.in_([number for number, _, _ in held]),
        tuple_(_row.number, _row.worker, _row.attempts).in_(held),
    )
