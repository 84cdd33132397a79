"""Keeps an inbox's events in SQLite or PostgreSQL, where several processes may share them and none is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, TypeVar

# The first of these tells clearly how to install SQLAlchemy if it is missing.
from kaspi_delivery_async._database.database import Database
from kaspi_delivery_async._database.group_commit import GroupCommit
from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.webhooks.stored_events import DeadLetter, EventState, EventUpdate, InboxTotals, Lease, Message
from kaspi_delivery_async.webhooks.stores import postgresql_notify, statements, tables

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection, Delete, Executable, RowMapping, Update

    from kaspi_delivery_async.models import DeliveryWebhookData

T = TypeVar("T")


class SqlStore:
    """A `Store` in an SQLite file or a PostgreSQL database, opened when it is first asked.

    Every method raises `StorageError` while the database cannot be used, and `ConfigurationError`
    where that has to be put right by hand.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        """Name the place: a file's path, which is created with mode 0600, or ``postgresql://user@host/name``.

        Raises `ConfigurationError` if it is neither.
        """
        self._place = parse_location(location)
        self._database: Database | None = None
        self._opening = asyncio.Lock()
        self._adding = GroupCommit(self._add)

    async def add(self, message: Message) -> bool:
        """See `Store.add`."""
        return await self._adding.submit(message)

    async def lease(self, *, worker: str, now: float, until: float, limit: int) -> list[Lease]:
        """See `Store.lease`."""
        statement = statements.lease(worker=worker, now=now, until=until, limit=limit)
        rows = await self._transact(lambda connection: connection.execute(statement).all())
        return [
            Lease(number=number, worker=worker, attempt=attempts, body=body) for number, attempts, body in sorted(rows)
        ]

    async def renew(self, leases: Collection[Lease], *, until: float) -> None:
        """See `Store.renew`."""
        await self._write(statements.renew(leases, until=until))

    async def release(self, leases: Collection[Lease], *, now: float) -> None:
        """See `Store.release`."""
        await self._write(statements.release(leases, now=now))

    async def update(self, lease: Lease, result: EventUpdate) -> None:
        """See `Store.update`."""
        await self._write(statements.record(lease, result))

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        """See `Store.dead_letters`."""
        return [DeadLetter(**row) for row in await self._read(statements.dead_letters(limit=limit))]

    async def replay(self, numbers: Collection[int] | None, *, now: float) -> int:
        """See `Store.replay`."""
        return await self._write(statements.replay(numbers, now=now))

    async def totals(self) -> InboxTotals:
        """See `Store.totals`."""
        (row,) = await self._read(statements.totals())
        return InboxTotals(**row)

    async def prune(self, *, before: float) -> int:
        """See `Store.prune`."""
        return await self._write(statements.prune(before=before))

    async def follow(self, announce: Callable[[DeliveryWebhookData], None]) -> None:
        """See `Store.follow`: PostgreSQL notifies; SQLite cannot."""
        if isinstance(self._place, str):
            await postgresql_notify.follow(self._place, announce)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._adding.flush()
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def _add(self, messages: Sequence[Message]) -> list[bool]:
        """Store messages in one transaction; tell of each whether it was new."""
        return await self._transact(partial(_add, messages=messages, is_postgresql=isinstance(self._place, str)))

    async def _opened(self) -> Database:
        async with self._opening:
            if self._database is None:
                self._database = await Database.open(self._place, tables.INBOX)
            return self._database

    async def _read(self, statement: Executable) -> Sequence[RowMapping]:
        return await self._transact(lambda connection: connection.execute(statement).mappings().all(), writes=False)

    async def _write(self, statement: Update | Delete) -> int:
        """Execute a statement in a transaction of its own; return how many rows it changed."""
        return await self._transact(lambda connection: connection.execute(statement).rowcount)

    async def _transact(self, work: Callable[[Connection], T], *, writes: bool = True) -> T:
        database = await self._opened()
        try:
            return await (database.write(work) if writes else database.read(work))
        except StorageError:
            if database.is_lost and self._database is database:
                # The next transaction opens what is at the path then, or a new file.
                self._database = None
                await database.close()
            raise


def _add(connection: Connection, *, messages: Sequence[Message], is_postgresql: bool) -> list[bool]:
    copies = Counter(message.key for message in messages)
    first = {message.key: message for message in reversed(messages)}
    rows = [_row(message, duplicates=copies[key] - 1) for key, message in first.items()]
    stored = connection.execute(statements.add(is_postgresql=is_postgresql), rows)
    # A row that was there before has counted at least one duplicate more.
    new = {key for key, duplicates in stored.all() if duplicates == copies[key] - 1}
    if is_postgresql:
        payloads = [postgresql_notify.payload(first[key].event) for key in new]
        told = [{"payload": payload} for payload in payloads if payload is not None]
        if told:
            connection.execute(statements.notify(postgresql_notify.CHANNEL), told)
    return [message.key in new and first[message.key] is message for message in messages]


def _row(message: Message, *, duplicates: int) -> dict[str, object]:
    return {
        "key": message.key,
        "body": message.body,
        "received_at": message.received_at,
        "state": EventState.WAITING if message.error is None else EventState.DEAD,
        "due_at": message.received_at,
        "error": message.error,
        "duplicates": duplicates,
    }
