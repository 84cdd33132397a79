"""Changes of entries, many in one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kaspi_delivery_async._database.group_commit import GroupCommit
from kaspi_delivery_async.outbox.storage import rows

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.outbox.decisions import Row
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase

    Decision = Callable[[Row, float], Row]
    """Returns a row as it is to be after a decision at a time."""


class Changes:
    """Writes down what was decided about entries."""

    def __init__(self, database: OutboxDatabase, clock: SharedClock) -> None:
        self._database = database
        self._clock = clock
        self._commits: GroupCommit[tuple[int, Decision], None] = GroupCommit(self._write)

    def add(self, number: int, decide: Decision) -> asyncio.Future[None]:
        """Have a decision about an entry written; the future raises `StorageError` if that fails."""
        return self._commits.add((number, decide))

    def add_quietly(self, number: int, decide: Decision) -> None:
        """Have a decision written that does no harm if it is lost."""
        self.add(number, decide).add_done_callback(lambda future: future.cancelled() or future.exception())

    async def flush(self) -> None:
        """Wait until all is written."""
        await self._commits.flush()

    async def _write(self, decisions: Sequence[tuple[int, Decision]]) -> list[None]:
        await self._database.write(partial(self._change, decisions=decisions))
        return [None] * len(decisions)

    def _change(self, connection: Connection, *, decisions: Sequence[tuple[int, Decision]]) -> None:
        before = rows.lock(connection, {number for number, _ in decisions})
        now = self._clock.common(connection)
        after = {row.number: row for row in before}
        for number, decide in decisions:
            after[number] = decide(after[number], now)
        rows.save(connection, before, [after[row.number] for row in before])
