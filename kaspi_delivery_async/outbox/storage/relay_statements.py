"""Statements of relays: claims, leases, pauses, and what is due."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, delete, func, not_, or_, select, update

from kaspi_delivery_async.outbox.entries import OutboxState
from kaspi_delivery_async.outbox.storage.statements import CHANNEL, ENTRY, insert_for
from kaspi_delivery_async.outbox.storage.tables import IS_TO_BE_SENT, entries, relays, version

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Delete, Executable, Update

_row = entries.c


class CallbackKind(StrEnum):
    """What a callback reports."""

    RESULT = "result"
    STATUS = "status"


_DUE = {CallbackKind.RESULT: _row.result_due, CallbackKind.STATUS: _row.status_due}


def next_due(*, now: float, account: str | None, stale: float) -> Executable:
    """Find when the next entry is to be sent."""
    return select(func.min(_row.due_at)).where(_is_claimable(now=now, account=account, stale=stale))


def claim(*, owner: str, account: str | None, now: float, stale: float, limit: int) -> Update:
    """Claim entries that are due, as sent; an earlier ``first_sent_at`` stays, with its ``account``.

    ``stale`` is the time before which a key was first sent that is no longer trusted.
    """
    due = (
        select(_row.number)
        .where(_is_claimable(now=now, account=account, stale=stale), _row.due_at <= now)
        .order_by(_row.due_at, _row.number)
        .limit(limit)
        .with_for_update(skip_locked=True, of=entries)  # PostgreSQL: what another relay is claiming is not waited for
        .cte("due")  # evaluated once; a subquery, PostgreSQL may evaluate for each row, and claim more than the limit
    )
    return (
        update(entries)
        .where(_row.number.in_(select(due.c.number)))
        .values(
            state=OutboxState.SENT,
            owner=owner,
            account=case((_row.first_sent_at.is_(None), account), else_=_row.account),
            first_sent_at=func.coalesce(_row.first_sent_at, now),
            attempts=_row.attempts + 1,
            updated_at=now,
        )
        .returning(_row.number, _row.order_id, _row.idempotency_key, _row.body, _row.due_at, _row.first_sent_at)
    )


def release(*, owner: str, held: Collection[int], now: float) -> Update:
    """Let entries go that a relay has claimed without knowing it: the response to its transaction was lost."""
    return (
        update(entries)
        .where(_row.owner == owner, _row.state == OutboxState.SENT, _row.number.not_in(held))
        .values(owner=None, updated_at=now)
    )


def keep_alive(owner: str, *, name: str, until: float, is_postgresql: bool) -> Executable:
    """Renew a relay's lease."""
    statement = insert_for(relays, is_postgresql=is_postgresql).values(owner=owner, name=name, alive_until=until)
    return statement.on_conflict_do_update(index_elements=["owner"], set_={"alive_until": until})


def retire(owner: str, *, now: float) -> Delete:
    """Delete the lease of a relay that has ended, and those that have expired."""
    return delete(relays).where((relays.c.owner == owner) | (relays.c.alive_until < now))


def pause(owner: str, *, since: float | None, until: float | None, reason: str | None) -> Update:
    """Write down that a relay is paused, or no longer."""
    return update(relays).where(relays.c.owner == owner).values(paused_since=since, paused_until=until, reason=reason)


def wake_relays(identity: str) -> Executable:
    """Wake the relays of an outbox when the transaction is committed; PostgreSQL only."""
    return select(func.pg_notify(CHANNEL, identity))


def due_callbacks(kind: CallbackKind, *, after_results: bool, now: float, limit: int) -> Executable:
    """Read the entries whose callbacks of one kind are due."""
    due = _DUE[kind]
    return (
        select(_row.number).where(due <= now, *_in_order(kind, after_results=after_results)).order_by(due).limit(limit)
    )


def next_callback(kind: CallbackKind, *, after_results: bool) -> Executable:
    """Find when the next callback of one kind is due."""
    due = _DUE[kind]
    return select(func.min(due)).where(due.is_not(None), *_in_order(kind, after_results=after_results))


def lock_callback(kind: CallbackKind, number: int, *, after_results: bool, now: float) -> Executable:
    """Read an entry and keep others from running its callbacks; finds nothing if it is not due, or others have it."""
    return (
        select(_row.number, *ENTRY)
        .where(_row.number == number, _DUE[kind] <= now, *_in_order(kind, after_results=after_results))
        .with_for_update(skip_locked=True)
    )


def report(kind: CallbackKind, number: int, *, due: float | None) -> Update:
    """Write down that a callback has run, and when the next one of its kind is due."""
    if kind is CallbackKind.RESULT:
        return update(entries).where(_row.number == number).values(result_due=due, result_failures=0)
    return update(entries).where(_row.number == number).values(status_due=due, status_failures=0)


def due_polls(*, now: float, silent_since: float, read_before: float, limit: int, claimed_until: float) -> Update:
    """Claim deliveries that are to be read: those due, while no event comes, or not read for long."""
    due = (
        select(_row.number)
        .where(_may_poll(silent_since=silent_since, read_before=read_before), _row.poll_at <= now)
        .order_by(_row.poll_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=entries)
        .cte("due")
    )
    return (
        update(entries)
        .where(_row.number.in_(select(due.c.number)))
        .values(poll_at=claimed_until)
        .returning(_row.number, _row.delivery_id, _row.polls)
    )


def next_poll(*, silent_since: float, read_before: float) -> Executable:
    """Find when the next delivery is to be read."""
    return select(func.min(_row.poll_at)).where(_may_poll(silent_since=silent_since, read_before=read_before))


def note_event(*, now: float, unless_after: float) -> Update:
    """Write down that an event came, unless one was noted a moment ago."""
    return (
        update(version)
        .where(or_(version.c.last_event_at.is_(None), version.c.last_event_at < unless_after))
        .values(last_event_at=now)
    )


def silent(*, since: float, limit: int, after: int) -> Executable:
    """Read entries in doubt, without a response, or whose delivery has given no news since a time."""
    doubtful = _row.state == OutboxState.IN_DOUBT
    without_response = and_(_row.state == OutboxState.SENT, _row.first_sent_at < since)
    unread = and_(_row.state == OutboxState.CREATED, _row.poll_at.is_not(None), _row.seen_at < since)
    return (
        select(_row.number, *ENTRY)
        .where(or_(doubtful, without_response, unread), _row.number > after)
        .order_by(_row.number)
        .limit(limit)
    )


def _is_claimable(*, now: float, account: str | None, stale: float) -> ColumnElement[bool]:
    alive = select(relays.c.owner).where(relays.c.owner == _row.owner, relays.c.alive_until > now).exists()
    conditions: list[Any] = [IS_TO_BE_SENT, not_(alive)]
    if account is not None:
        # Whether the API would recognise the key under another account is not known.
        conditions.append(
            or_(
                _row.first_sent_at.is_(None),
                _row.account.is_(None),
                _row.account == account,
                _row.first_sent_at < stale,
            )
        )
    return and_(*conditions)


def _in_order(kind: CallbackKind, *, after_results: bool) -> list[ColumnElement[bool]]:
    """A relay that reports results as well reports an entry's result before its statuses."""
    return [_row.result_due.is_(None)] if kind is CallbackKind.STATUS and after_results else []


def _may_poll(*, silent_since: float, read_before: float) -> ColumnElement[bool]:
    is_silent = select(version.c.number).where(
        or_(version.c.last_event_at.is_(None), version.c.last_event_at < silent_since)
    )
    return and_(_row.poll_at.is_not(None), or_(is_silent.exists(), _row.seen_at < read_before))
