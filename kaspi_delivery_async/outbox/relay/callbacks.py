"""Calls back: each result and each status once, in one transaction with the mark that it was reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.outbox.decisions import result_failed, status_failed
from kaspi_delivery_async.outbox.entries import OutboxEntry
from kaspi_delivery_async.outbox.storage import relay_statements as statements
from kaspi_delivery_async.outbox.storage import rows
from kaspi_delivery_async.outbox.storage.relay_statements import CallbackKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.outbox.relay.changes import Changes
    from kaspi_delivery_async.outbox.relay.wakes import Wakes
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase

Callback = Callable[[AsyncSession, OutboxEntry], Awaitable[object]]

LIMIT = 10.0
"""Seconds that a callback may take; then it is rolled back, as if it had raised."""

CONCURRENCY = 4
"""Callbacks at once; on SQLite one, as there is one writer."""

PAGE = 100
"""Entries that are read at once."""

RETRY = 1.0
"""Seconds between tries while the database cannot be used."""

_FAILED = {CallbackKind.RESULT: result_failed, CallbackKind.STATUS: status_failed}

_logger = logging.getLogger(__name__)


class _CallbackError(Exception):
    """Stands for what a callback raised."""


class Callbacks:
    """Runs the callbacks of one relay."""

    def __init__(
        self,
        database: OutboxDatabase,
        clock: SharedClock,
        *,
        callbacks: Mapping[CallbackKind, Callback],
        changes: Changes,
        wakes: Wakes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._callbacks = callbacks
        self._after_results = CallbackKind.RESULT in callbacks
        self._changes = changes
        self._wakes = wakes

    def next_due(self, connection: Connection) -> float | None:
        """Return when the next callback is due."""
        dues = [
            connection.scalar(statements.next_callback(kind, after_results=self._after_results))
            for kind in self._callbacks
        ]
        return min((due for due in dues if due is not None), default=None)

    async def run(self) -> None:
        """Call back until the relay ends."""
        while not self._wakes.stopping:
            self._wakes.callbacks.clear()
            try:
                done = [await self._run_due(kind) for kind in self._callbacks]
            except StorageError as error:
                _logger.warning("the relay cannot read what to report, trying again: %s", error)
                await self._wakes.rest(RETRY)
                continue
            if not any(done) and not self._wakes.stopping:
                await self._wakes.callbacks.wait()

    async def _run_due(self, kind: CallbackKind) -> bool:
        """Run the callbacks of one kind that are due; return whether there were any."""
        numbers = await self._database.read(partial(self._due, kind))
        slots = asyncio.Semaphore(CONCURRENCY)

        async def run(number: int) -> None:
            async with slots:
                if not self._wakes.stopping:
                    await self._call_back(kind, number)

        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(run(number))
        return bool(numbers)

    def _due(self, kind: CallbackKind, connection: Connection) -> list[int]:
        now = self._clock.common(connection)
        statement = statements.due_callbacks(kind, after_results=self._after_results, now=now, limit=PAGE)
        return [number for (number,) in connection.execute(statement)]

    async def _call_back(self, kind: CallbackKind, number: int) -> None:
        try:
            async with self._database.transaction(limit=LIMIT + 5) as connection:
                entry = await connection.run_sync(partial(self._begin, kind, number))
                if entry is None:
                    return
                # In a savepoint, so that a commit or rollback of the callback's own leaves the mark alone.
                session = AsyncSession(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
                await _run(self._callbacks[kind], session, entry)
        except _CallbackError as failure:
            _logger.error(  # noqa: TRY400 - the traceback is that of the callback
                "on_%s of an order raised and was rolled back; it is called again", kind, exc_info=failure.__cause__
            )
            await self._fail(kind, number)
        except StorageError as error:
            _logger.warning("on_%s of an order could not be committed; it is called again: %s", kind, error)
            await self._fail(kind, number)

    async def _fail(self, kind: CallbackKind, number: int) -> None:
        try:
            await self._changes.add(number, _FAILED[kind])
        except StorageError as error:
            _logger.warning("the failure of on_%s could not be written down: %s", kind, error)
            await self._wakes.rest(RETRY)
        self._wakes.wake()

    def _begin(self, kind: CallbackKind, number: int, connection: Connection) -> OutboxEntry | None:
        """Lock an entry and write down that it was reported; None if that is done or others are at it."""
        options = self._database.identity.options
        now = self._clock.common(connection)
        statement = statements.lock_callback(kind, number, after_results=self._after_results, now=now)
        row = connection.execute(statement, execution_options=options).mappings().one_or_none()
        if row is None:
            return None
        entry, due = OutboxEntry.of(row), None
        if kind is CallbackKind.STATUS:
            status = connection.execute(rows.unreported(number), execution_options=options).one()
            connection.execute(rows.report(number, status.position, now=now), execution_options=options)
            entry = OutboxEntry.of({**row, "status": status.status})
            due = now if status.left > 1 else None
        connection.execute(statements.report(kind, number, due=due), execution_options=options)
        return entry


async def _run(callback: Callback, session: AsyncSession, entry: OutboxEntry) -> None:
    try:
        async with asyncio.timeout(LIMIT), session:
            await callback(session, entry)
            await session.commit()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancels this task: something that the callback waited for was cancelled.
        raise _CallbackError from error
    except Exception as error:
        raise _CallbackError from error
