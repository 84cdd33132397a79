"""What wakes a relay: commits, announced by PostgreSQL or seen in the SQLite file, and what is due at a time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from kaspi_delivery_async._database.listening import PooledError, listen
from kaspi_delivery_async.outbox.storage.statements import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kaspi_delivery_async.outbox.storage.shared_file import SharedSqliteFile

T = TypeVar("T")

FILE_POLL = 0.25
"""Seconds between looks at whether the SQLite file has changed."""

POLL = 1.0
"""Seconds between looks at PostgreSQL where it cannot announce commits, or is not to."""

TICK = 5.0
"""Seconds between looks where commits are announced, for what was missed."""

RECONNECTION = 5.0
"""Seconds between attempts to listen again."""

_logger = logging.getLogger(__name__)


class Wakes:
    """Wakes the parts of a relay."""

    def __init__(self) -> None:
        self.sending: asyncio.Event = asyncio.Event()
        """There may be something to send."""
        self.callbacks: asyncio.Event = asyncio.Event()
        """There may be something to report."""
        self.polling: asyncio.Event = asyncio.Event()
        """There may be a delivery to read."""
        self.tick: float = TICK
        """Seconds between looks at what is due."""
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the relay ends."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End every wait: the relay ends."""
        self._stopped.set()
        for event in (self._changed, self.sending, self.callbacks, self.polling):
            event.set()

    def wake(self) -> None:
        """Have the relay look at what is due."""
        self._changed.set()

    def ended(self) -> None:
        """Have the relay report results, and look at what is due."""
        self.callbacks.set()
        self.wake()

    async def rest(self, seconds: float) -> None:
        """Wait, unless the relay ends."""
        await _wait(self._stopped, seconds)

    async def next_look(self, seconds: float) -> None:
        """Wait until something has changed, for at most ``seconds`` and at most until the next tick."""
        await _wait(self._changed, min(seconds, self.tick))
        self._changed.clear()

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Wait for ``work``; None if the relay ends first, and then it is cancelled."""
        task, stopped = asyncio.create_task(work), asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            stopped.cancel()
            task.cancel()
            await asyncio.wait([task])

    async def watch_file(self, file: SharedSqliteFile) -> None:
        """Wake the relay whenever the file has changed, until it ends."""
        while not self.stopping:
            try:
                async with file.watch() as data_version:
                    before = None
                    while not self.stopping:
                        now = await data_version()
                        if now != before:
                            before = now
                            self.wake()
                        await self.rest(FILE_POLL)
            except file.failures as error:
                _logger.warning("the file cannot be watched, trying again: %s", type(error).__name__)
                await self.rest(POLL)

    async def listen(self, url: str, identity: str) -> None:
        """Wake the relay whenever a transaction says so on PostgreSQL's channel; runs until cancelled."""

        def notified(_connection: object, _process: int, _channel: str, payload: str) -> None:
            if payload == identity:  # the channel is that of the database, where several outboxes may be
                self.sending.set()
                self.wake()

        async def look() -> None:
            self.tick = TICK
            self.wake()

        while True:
            try:
                await listen(url, CHANNEL, notified, look=look, while_listening=nullcontext)
            except PooledError:
                _logger.warning(
                    "a connection pooler hides notifications of PostgreSQL; looking for orders every %g s instead", POLL
                )
                self.tick = POLL
                return
            except Exception:
                _logger.exception("PostgreSQL cannot be listened to; trying again in %g s", RECONNECTION)
            else:
                _logger.warning("the connection to PostgreSQL was lost; listening again in %g s", RECONNECTION)
            self.tick = POLL
            self.wake()
            await asyncio.sleep(RECONNECTION)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        pass
