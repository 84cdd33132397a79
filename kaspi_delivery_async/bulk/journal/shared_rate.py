"""A request rate that all runs on a journal share: each takes slots for its next requests, by the database's clock.

A slot is a moment at which one request may leave. Slots are taken for the requests that wait just now, and for less
than a second ahead; so a run that joins takes its part at once, and what a run that was killed or stopped had taken is
over within that second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.bulk.journal import statements
from kaspi_delivery_async.errors import DeadlineExceededError, StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from kaspi_delivery_async._database.database import Database
    from kaspi_delivery_async._exactly_once.lease import SharedClock

AHEAD = 0.5
"""Seconds for which slots are given out in advance, at most."""

BLOCK = 0.1
"""Seconds of the rate that a run takes at once, at most; always one slot."""

ARREARS = 0.03
"""Seconds for which slots that nobody took are still given out."""

LATEST = 0.045
"""Seconds after its slot at which a request may still leave: so no second sees more than 5 % above the rate."""

RETRY = 0.25
"""Seconds between attempts to take slots, while none are given out or the database cannot be used."""

_LONGEST_NAME = 32

_logger = logging.getLogger(__name__)


@attrs.frozen
class Slots:
    """Slots that a run may use."""

    first: float
    """Unix seconds by the database's clock; the others follow one by one, at the rate."""
    count: int
    next_free: float
    """First slot that is not given out."""
    now: float
    """The database's clock."""


def give_out(next_free: float, *, now: float, rate: float, wanted: int) -> Slots:
    """Give out slots to a run that wants some; none if too many are given out already.

    A ``next_free`` that is far ahead was written before the clock was set back, and is void.
    """
    if next_free > now + AHEAD + BLOCK + 1 / rate:
        next_free = now
    first = max(next_free, now - ARREARS)
    count = 0 if first > now + AHEAD else min(wanted, max(1, int(rate * BLOCK)))
    return Slots(first, count, first + count / rate, now)


class RateTable:
    """Takes slots from the database; a rate belongs to an API key."""

    def __init__(self, database: Database, clock: SharedClock, account: str | None) -> None:
        """Take them from a journal, for the API key of this digest."""
        self._database = database
        self._clock = clock
        self._name = f"rate {account or 'of keys that change'}"[:_LONGEST_NAME]

    async def take(self, wanted: int, rate: float) -> Slots:
        """Take slots of a rate, at most as many as are wanted; raises `StorageError`."""
        return await self._database.write(partial(self._give_out, wanted=wanted, rate=rate))

    def _give_out(self, connection: Connection, *, wanted: int, rate: float) -> Slots:
        lock = statements.lock_rate(self._name, is_postgresql=self._database.is_postgresql)
        next_free: float = connection.execute(lock).scalar_one()
        slots = give_out(next_free, now=self._clock.common(connection), rate=rate, wanted=wanted)
        if slots.count:
            connection.execute(statements.keep_rate(self._name, next_free=slots.next_free))
        return slots


class SharedRate:
    """One run's part of a shared rate."""

    def __init__(self, rate: float, take: Callable[[int, float], Awaitable[Slots]]) -> None:
        """Share ``rate``, in requests per second; ``take`` is `RateTable.take`."""
        self._rate = rate
        self._take = take
        self._slots: deque[float] = deque()
        """Slots to be used, by the event loop's clock."""
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._offset: float | None = None
        """Seconds by which the event loop's clock is ahead of the database's."""
        self._taking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, *, deadline: float) -> None:
        """Wait for a slot; raises `DeadlineExceededError` if none comes before ``deadline`` on the loop's clock."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        self._serve()
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except TimeoutError:
            raise DeadlineExceededError(
                "the call timed out waiting for its turn under the rate that several processes share; send fewer "
                "requests at once, or raise `Timeout.total`"
            ) from None

    async def close(self) -> None:
        """Take no more slots."""
        if self._timer is not None:
            self._timer.cancel()
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait([self._taking])

    def _serve(self) -> None:
        """Give the slots that have come to those who wait, and see to it that there are enough."""
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._waiters = deque(waiter for waiter in self._waiters if not waiter.done())
        while self._slots and self._waiters and self._slots[0] <= now:
            if self._slots.popleft() >= now - LATEST:
                self._waiters.popleft().set_result(None)
        if self._slots and self._waiters:
            self._timer = loop.call_at(self._slots[0], self._serve)
        if self._wanted() and (self._taking is None or self._taking.done()):
            self._taking = asyncio.create_task(self._take_slots())

    async def _take_slots(self) -> None:
        loop = asyncio.get_running_loop()
        while wanted := self._wanted():
            before = loop.time()
            try:
                taken = await self._take(wanted, self._rate)
            except StorageError as error:
                _logger.warning("no slots of the shared rate could be taken, trying again: %s", error)
                await asyncio.sleep(RETRY)
                continue
            offset = self._note_clock(taken.now, before=before, after=loop.time())
            self._slots += [taken.first + number / self._rate + offset for number in range(taken.count)]
            self._serve()
            if not taken.count:
                await asyncio.sleep(min(RETRY, max(BLOCK, taken.first - taken.now - AHEAD)))

    def _note_clock(self, database: float, *, before: float, after: float) -> float:
        """Return how far the loop's clock is ahead of the database's, which was read between ``before`` and ``after``.

        What was known stays, unless it is impossible now: a reading that took long says little, and one of a process
        that was stopped meanwhile says nothing.
        """
        known = after - database if self._offset is None else self._offset
        self._offset = min(max(known, before - database), after - database)
        return self._offset

    def _wanted(self) -> int:
        return max(0, len(self._waiters) - len(self._slots))
