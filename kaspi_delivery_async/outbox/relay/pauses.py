"""Pauses of a relay: while the API is rate limiting, and while its address or key has to be put right."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.outbox.decisions import retry_delay
from kaspi_delivery_async.outbox.storage import relay_statements as statements

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase

LONGEST_PAUSE = 3600.0
"""Seconds of a pause at most, whatever the API asks for; then it is tried again."""

SHORTEST_PAUSES = (0.1, 5.0)
"""Seconds of the first of several pauses in a row, doubled for each, and at most: for a 429 that names no time."""

SHOWN = 1.0
"""Seconds of a pause from which on it is written down, for others to see."""

_logger = logging.getLogger(__name__)


class Pauses:
    """The pauses of one relay."""

    def __init__(self, database: OutboxDatabase, clock: SharedClock, owner: str) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._until = 0.0
        self._since: float | None = None
        self._in_a_row = 0
        self._reason: str | None = None
        self.faults: int = 0
        """Looks in a row at which the address or the key was still wrong; while there are any, one entry is tried."""

    @property
    def left(self) -> float:
        """Seconds until the pause ends; 0 if there is none."""
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def rate_limited(self, seconds: float) -> None:
        """Pause for ``seconds`` or longer, because the API asked for it."""
        if self.left == 0:
            self._in_a_row += 1
        first, longest = SHORTEST_PAUSES
        shortest = min(longest, first * 2 ** min(self._in_a_row - 1, 30))
        await self._begin(min(LONGEST_PAUSE, max(seconds, shortest)), "the API is rate limiting")

    async def broken(self, problem: str) -> None:
        """Pause because no order can be sent before the address, the key or the settings are put right."""
        if self.left > 0 and self.faults:
            return  # one of the calls that were in flight already
        self.faults += 1
        if self._reason != problem:
            _logger.error("the relay is paused: %s; it goes on by itself when that is put right", problem)
        await self._begin(retry_delay(self.faults), problem)

    async def end(self) -> None:
        """Go on, because the API has accepted or refused an order."""
        self._in_a_row = 0
        self.faults = 0
        if self._reason is not None and self.left == 0:
            _logger.info("the relay goes on")
            await self._write(None, seconds=0.0)

    async def _begin(self, seconds: float, reason: str) -> None:
        until = asyncio.get_running_loop().time() + seconds
        self._until = max(self._until, until)
        if seconds >= SHOWN:
            await self._write(reason, seconds=seconds)

    async def _write(self, reason: str | None, *, seconds: float) -> None:
        self._reason = reason
        try:
            await self._database.write(partial(self._note, reason=reason, seconds=seconds))
        except StorageError as error:
            _logger.warning("the relay's pause could not be written down: %s", error)

    def _note(self, connection: Connection, *, reason: str | None, seconds: float) -> None:
        now = self._clock.common(connection)
        self._since = None if reason is None else self._since or now
        until = None if reason is None else now + seconds
        connection.execute(statements.pause(self._owner, since=self._since, until=until, reason=reason))
