"""Reads the deliveries of which no events come, at the intervals of `wait_for_status`."""

from __future__ import annotations

import asyncio
import logging
import random
from functools import partial
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async._tracking.follower import LAST_INTERVAL, LONGEST_SILENCE, poll_interval
from kaspi_delivery_async._tracking.order import changes_in
from kaspi_delivery_async.errors import KaspiDeliveryError, StorageError
from kaspi_delivery_async.outbox.decisions import poll_failed, polled
from kaspi_delivery_async.outbox.storage import relay_statements as statements

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.client import DeliveryClient
    from kaspi_delivery_async.outbox.relay.changes import Changes, Decision
    from kaspi_delivery_async.outbox.relay.pauses import Pauses
    from kaspi_delivery_async.outbox.relay.wakes import Wakes
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase

CONCURRENCY = 4
"""Deliveries that are read at once: new orders come first."""

CLAIM = 120.0
"""Seconds after which another relay reads a delivery that this one was to read."""

RETRY = 1.0
"""Seconds between tries while the database cannot be used."""

_logger = logging.getLogger(__name__)


class Polling:
    """Reads deliveries for one relay."""

    def __init__(
        self,
        client: DeliveryClient,
        database: OutboxDatabase,
        clock: SharedClock,
        *,
        changes: Changes,
        pauses: Pauses,
        wakes: Wakes,
    ) -> None:
        self._client = client
        self._database = database
        self._clock = clock
        self._changes = changes
        self._pauses = pauses
        self._wakes = wakes

    def next_due(self, connection: Connection, *, now: float) -> float | None:
        """Return when the next delivery is to be read."""
        due: float | None = connection.scalar(statements.next_poll(**_silence(now)))
        return due

    async def run(self) -> None:
        """Read deliveries until the relay ends."""
        while not self._wakes.stopping:
            self._wakes.polling.clear()
            if (left := self._pauses.left) > 0:
                await self._wakes.rest(left)
                continue
            try:
                due = await self._database.write(self._claim)
            except StorageError as error:
                _logger.warning("the relay cannot look for deliveries to read, trying again: %s", error)
                await self._wakes.rest(RETRY)
                continue
            async with asyncio.TaskGroup() as group:
                for row in due:
                    group.create_task(self._read(row.number, row.delivery_id, polls=row.polls))
            if not due and not self._wakes.stopping:
                await self._wakes.polling.wait()

    def _claim(self, connection: Connection) -> list[Any]:
        now = self._clock.common(connection)
        statement = statements.due_polls(now=now, limit=CONCURRENCY, claimed_until=now + CLAIM, **_silence(now))
        return [*connection.execute(statement)]

    async def _read(self, number: int, delivery_id: str, *, polls: int) -> None:
        interval = poll_interval(polls, random.random)
        decision: Decision
        try:
            reading = self._client.get_delivery(delivery_id, include_history=True)
            delivery = await self._wakes.unless_stopped(reading)
            if delivery is None:
                return
            decision = partial(polled, statuses=[change.status for change in changes_in(delivery)], interval=interval)
        except KaspiDeliveryError as error:
            _logger.info("a delivery could not be read, trying again: %s", error)
            decision = partial(poll_failed, error=error, interval=interval)
        try:
            await self._changes.add(number, decision)
        except StorageError as error:
            _logger.warning("the status of a delivery could not be written down: %s", error)
        self._wakes.wake()


def _silence(now: float) -> dict[str, float]:
    """Return since when no event must have come, and before when a delivery is read all the same."""
    return {"silent_since": now - LAST_INTERVAL, "read_before": now - LONGEST_SILENCE}
