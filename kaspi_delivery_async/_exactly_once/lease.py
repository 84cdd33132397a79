"""The lease of a run or a relay on the orders that it has claimed, and the clocks by which it counts."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING, Protocol

from kaspi_delivery_async._database.database import database_time
from kaspi_delivery_async._wire.idempotency_keys import KeyAge, Moment
from kaspi_delivery_async.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from kaspi_delivery_async._database.database import Database

_logger = logging.getLogger(__name__)


class SharedClock:
    """Times in a journal or an outbox are the database's on PostgreSQL, so that the machines' clocks do not matter.

    On SQLite they are this machine's. A clock of the caller's own replaces both.
    """

    def __init__(self, database: Database, clock: Callable[[], float] | None) -> None:
        self._clock = clock
        self._asks_database = clock is None and database.is_postgresql
        self._began = self.wall()
        self._passed = KeyAge(self.moment())

    def wall(self) -> float:
        """Return this machine's time, Unix seconds as all others."""
        return time.time() if self._clock is None else self._clock()

    def moment(self) -> Moment:
        """Return the moment from which an age can be counted."""
        return Moment(self.wall(), time.monotonic())

    def common(self, connection: Connection) -> float:
        """Return the time that all users of the database agree on."""
        if self._asks_database:
            now: float = connection.scalar(database_time())
            return now
        return self.wall()

    def age_time(self, connection: Connection) -> float:
        """Return the time by which ages are counted: no step of this machine's clock sets it back."""
        if self._asks_database or self._clock is not None:
            return self.common(connection)
        return self._began + self._passed.at(self.moment())


class LeaseTable(Protocol):
    """Where leases are written down."""

    def keep(self, connection: Connection, owner: str, *, until: float) -> None:
        """Write down until when an owner's lease holds."""
        ...

    def end(self, connection: Connection, owner: str, *, now: float) -> None:
        """Delete an owner's lease, and those that have expired."""
        ...


class Lease:
    """One owner's lease: what it has claimed is its own for as long as it renews it."""

    def __init__(self, database: Database, clock: SharedClock, table: LeaseTable, *, seconds: float) -> None:
        """Name an owner; nothing is written yet."""
        self._database = database
        self._table = table
        self._clock = clock
        self._seconds = seconds
        self._renewed = KeyAge(clock.moment())
        self._heartbeat: asyncio.Task[None] | None = None
        self.owner: str = uuid.uuid4().hex
        self.number: int = 0
        """Counts up when it had run out before it was renewed: what was claimed before may be another owner's."""

    def is_held(self, number: int, now: Moment) -> bool:
        """Whether what was claimed under the lease of this number is certainly still this owner's."""
        return number == self.number and self._renewed.at(now) < self._seconds

    def is_due(self, now: Moment) -> bool:
        """Whether it is to be renewed before more is claimed."""
        return self._renewed.at(now) > self._seconds / 2

    def renew(self, connection: Connection) -> None:
        """Write it down; call `renewed` when that is committed."""
        until = self._clock.common(connection) + self._seconds
        self._table.keep(connection, self.owner, until=until)

    def renewed(self, since: Moment) -> None:
        """Take note that it was renewed after ``since``."""
        if self._renewed.at(self._clock.moment()) >= self._seconds:
            self.number += 1
        self._renewed = KeyAge(since)

    def keep(self) -> None:
        """Renew it from now on."""
        self._heartbeat = asyncio.create_task(self._stay_alive())

    async def expire(self) -> None:
        """Let it run out, as that of a process that was killed does."""
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.wait([self._heartbeat])

    async def give_back(self) -> None:
        """End it."""
        await self.expire()
        try:
            await self._database.write(self._retire)
        except StorageError as error:
            _logger.warning("the lease could not be given back, it ends in %g s: %s", self._seconds, error)

    def _retire(self, connection: Connection) -> None:
        self._table.end(connection, self.owner, now=self._clock.common(connection))

    async def _stay_alive(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            now = self._clock.moment()
            try:
                await self._database.write(self.renew)
            except StorageError as error:
                # Another owner may send the same orders then: under the same keys, so that nothing is done twice.
                _logger.warning("the lease could not be renewed, trying again: %s", error)
            else:
                self.renewed(now)
