"""Keeps an inbox's events in SQLite or PostgreSQL, where several processes may share them and none is lost."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs

# The first of these says how to install SQLAlchemy if it is missing.
from kaspi_delivery_async._database.database import Database
from kaspi_delivery_async._database.group_commit import LARGEST_GROUP, GroupCommit
from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async._database.per_loop import PerLoop
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.webhooks.stored_events import DeadLetter, EventState, EventUpdate, InboxTotals, Lease, Message
from kaspi_delivery_async.webhooks.stores import postgresql_notify, statements, tables
from kaspi_delivery_async.webhooks.stores.new_events import NewEvents
from kaspi_delivery_async.webhooks.stores.protocol import Store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Executable

    from kaspi_delivery_async.models import DeliveryWebhookData

T = TypeVar("T")

BATCH = 500
"""Rows that one statement names by their numbers: databases bound the number of parameters."""


@attrs.frozen(eq=False)
class _Open:
    """An open database, for one event loop."""

    database: Database
    adding: GroupCommit[Message, bool]


class SqlStore(Store):
    """A `Store` in an SQLite file or a PostgreSQL database, opened on each event loop when it is first used there.

    Every method raises `StorageError` while the database cannot be used, and `ConfigurationError`
    for what has to be put right by hand.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        """Name the database: a file's path, which is created with mode 0600, or ``postgresql://user@host/name``.

        Raises `ConfigurationError` if it is neither.
        """
        self._location = parse_location(location)
        self._is_postgresql = isinstance(self._location, str)
        self._opened = PerLoop(self._connect, _close, lambda connected: connected.database.abandon())

    async def open(self) -> None:
        await self._opened.get()

    async def add(self, message: Message) -> bool:
        connected = await self._opened.get()
        return await connected.adding.submit(message)

    async def lease(self, *, worker: str, seconds: float, limit: int) -> list[Lease]:
        statement = statements.lease(worker=worker, now=self._now, seconds=seconds, limit=limit)
        rows = await self._write(lambda connection: connection.execute(statement).all())
        return [
            Lease(number=number, worker=worker, attempt=attempts, body=body) for number, attempts, body in sorted(rows)
        ]

    async def renew(self, leases: Collection[Lease], *, seconds: float) -> None:
        for some in _batches([*leases]):
            statement = statements.renew(some, now=self._now, seconds=seconds)
            await self._change([lease.number for lease in some], statement)

    async def release(self, leases: Collection[Lease]) -> None:
        for some in _batches([*leases]):
            await self._change([lease.number for lease in some], statements.release(some, now=self._now))

    async def update(self, lease: Lease, result: EventUpdate) -> None:
        statement = statements.record(lease, result, now=self._now)
        await self._write(lambda connection: connection.execute(statement))

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        statement = statements.dead_letters(limit=limit)
        rows = await self._read(lambda connection: connection.execute(statement).mappings().all())
        return [DeadLetter(**row) for row in rows]

    async def replay(self, numbers: Collection[int] | None) -> int:
        chosen = await self._numbers(statements.dead_numbers()) if numbers is None else numbers
        replayed = 0
        for some in _batches([*chosen]):
            replayed += await self._change(some, statements.replay(some, now=self._now))
        return replayed

    async def totals(self) -> InboxTotals:
        row = await self._read(lambda connection: connection.execute(statements.totals()).mappings().one())
        return InboxTotals(**row)

    async def prune(self, *, before: float) -> int:
        pruned = 0
        while some := await self._numbers(statements.old_numbers(before=before, limit=BATCH)):
            pruned += await self._change(some, statements.prune(some))
        return pruned

    async def follow(self, announce: Callable[[DeliveryWebhookData], None]) -> None:
        await self.follow_all(announce, nullcontext)

    async def follow_all(
        self,
        announce: Callable[[DeliveryWebhookData], None],
        nothing_missed: Callable[[], AbstractContextManager[None]],
    ) -> None:
        if isinstance(self._location, str):
            events = NewEvents(self._read, announce, overlap=LARGEST_GROUP)
            await postgresql_notify.follow(self._location, announce, events, nothing_missed)
        else:
            await NewEvents(self._read, announce, overlap=0).poll()

    async def close(self) -> None:
        await self._opened.close()

    async def _connect(self) -> _Open:
        database = await Database.open(self._location, tables.INBOX)
        # By this very connection: what is still to be written while it closes must not open another one.
        connected = _Open(database=database, adding=GroupCommit(lambda messages: self._add(connected, messages)))
        return connected

    @property
    def _now(self) -> statements.Now:
        return statements.now(is_postgresql=self._is_postgresql)

    async def _add(self, connected: _Open, messages: Sequence[Message]) -> list[bool]:
        """Store messages in one transaction; return for each whether it was new."""
        insert = statements.add(now=self._now, is_postgresql=self._is_postgresql)
        work = partial(_add, insert=insert, messages=messages, is_postgresql=self._is_postgresql)
        return await self._transact(connected, work, writes=True)

    async def _numbers(self, statement: Executable) -> Sequence[int]:
        return await self._read(lambda connection: connection.execute(statement).scalars().all())

    async def _change(self, numbers: Collection[int], statement: Executable) -> int:
        """Change rows in a transaction of its own; return how many were changed."""

        def change(connection: Connection) -> int:
            if self._is_postgresql:  # SQLite has one writer at a time
                connection.execute(statements.lock(numbers))
            return connection.execute(statement).rowcount

        return await self._write(change)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._transact(await self._opened.get(), work, writes=False)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._transact(await self._opened.get(), work, writes=True)

    async def _transact(self, connected: _Open, work: Callable[[Connection], T], *, writes: bool) -> T:
        database = connected.database
        try:
            return await (database.write(work) if writes else database.read(work))
        except StorageError:
            if database.is_lost:
                # The next transaction opens what is at the path then, or a new file.
                await self._opened.close(connected)
            raise


async def _close(connected: _Open) -> None:
    # A lost file is noticed by the task that would be waited for; what it has still to write goes to the next one.
    if not connected.database.is_lost:
        await connected.adding.flush()
    await connected.database.close()


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _add(connection: Connection, *, insert: Executable, messages: Sequence[Message], is_postgresql: bool) -> list[bool]:
    copies = Counter(message.key for message in messages)
    first = {message.key: message for message in reversed(messages)}
    # By key: two processes that store the same events would otherwise lock their rows in opposite orders.
    rows = [_row(first[key], duplicates=copies[key] - 1) for key in sorted(first)]
    stored = connection.execute(insert, rows)
    # Inserted, a row has as many duplicates as there were further copies; of a row that was there, one more is counted.
    new = {key for key, duplicates in stored.all() if duplicates == copies[key] - 1}
    if is_postgresql:
        payloads = [postgresql_notify.payload(first[key].event) for key in new]
        notices = [{"payload": payload} for payload in payloads if payload is not None]
        if notices:
            connection.execute(statements.notify(postgresql_notify.CHANNEL), notices)
    return [message.key in new and first[message.key] is message for message in messages]


def _row(message: Message, *, duplicates: int) -> dict[str, object]:
    return {
        "key": message.key,
        "body": message.body,
        "received_at": message.received_at,
        "state": EventState.WAITING if message.error is None else EventState.DEAD,
        "error": message.error,
        "duplicates": duplicates,
    }
