"""One relay: its parts, what wakes them, and how they end."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kaspi_delivery_async._exactly_once.closing import finished
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.outbox.relay.callbacks import Callback, Callbacks
from kaspi_delivery_async.outbox.relay.changes import Changes
from kaspi_delivery_async.outbox.relay.claims import Claims
from kaspi_delivery_async.outbox.relay.pauses import Pauses
from kaspi_delivery_async.outbox.relay.polling import Polling
from kaspi_delivery_async.outbox.relay.sending import Sending
from kaspi_delivery_async.outbox.relay.wakes import POLL, Wakes
from kaspi_delivery_async.outbox.storage.environment import choose_environment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.client import DeliveryClient
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase
    from kaspi_delivery_async.outbox.storage.relay_statements import CallbackKind

SHORTEST_LOOK = 0.1
"""Seconds between looks at what is due, however often the relay is woken."""

RETRY = 1.0
"""Seconds between tries while the database cannot be used, or after an error."""

_logger = logging.getLogger(__name__)


class Relay:
    """Sends what is due, calls back, and follows deliveries, for as long as its context lasts."""

    def __init__(
        self,
        database: OutboxDatabase,
        clock: SharedClock,
        client: DeliveryClient,
        *,
        callbacks: Mapping[CallbackKind, Callback],
        concurrency: int,
        listen_at: str | None,
    ) -> None:
        """Set up; ``listen_at`` is the URL of a PostgreSQL database that announces commits, or None."""
        self._database = database
        self._clock = clock
        self._client = client
        self._listen_at = listen_at
        self._wakes = Wakes()
        self._claims = Claims(database, clock, account=client.api_key_digest)
        self._changes = Changes(database, clock)
        self._pauses = Pauses(database, clock, self._claims.owner)
        self._sending = Sending(
            client,
            claims=self._claims,
            changes=self._changes,
            pauses=self._pauses,
            wakes=self._wakes,
            concurrency=concurrency,
        )
        self._callbacks = Callbacks(database, clock, callbacks=callbacks, changes=self._changes, wakes=self._wakes)
        self._polling = Polling(client, database, clock, changes=self._changes, pauses=self._pauses, wakes=self._wakes)
        self._parts: list[asyncio.Task[None]] = []
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; raises `ConfigurationError` if the orders are for another environment than the client's."""
        environment = urlsplit(self._client.base_url).netloc
        await self._database.write(partial(choose_environment, environment=environment))
        await self._claims.open()
        parts: list[Callable[[], Awaitable[None]]] = [
            self._sending.run,
            self._callbacks.run,
            self._polling.run,
            self._look,
        ]
        file = self._database.file
        if file is not None:
            parts.append(partial(self._wakes.watch_file, file))
        self._parts = [asyncio.create_task(_restarted(part, self._wakes)) for part in parts]
        if file is None and self._listen_at is not None:
            identity = self._database.identity.identity
            self._listener = asyncio.create_task(self._wakes.listen(self._listen_at, identity))
        elif file is None:
            self._wakes.tick = POLL

    async def finish(self) -> None:
        """Claim no more, let calls in flight end, and give the rest back; cancelled, it cancels the calls in flight."""
        await finished(asyncio.create_task(self._finish()), on_cancelled=self._sending.abort)

    async def _finish(self) -> None:
        self._wakes.stop()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])
        await asyncio.wait(self._parts)
        await self._sending.finish()
        await self._changes.flush()
        await self._claims.close()

    async def _look(self) -> None:
        """Wake the parts for which something is due."""
        parts = (self._wakes.sending, self._wakes.callbacks, self._wakes.polling)
        while not self._wakes.stopping:
            seconds = RETRY
            try:
                left = await self._database.read(self._next_due)
            except StorageError as error:
                _logger.warning("the relay cannot look for what is due, trying again: %s", error)
            else:
                for part, until_due in zip(parts, left, strict=True):
                    if until_due <= 0:
                        part.set()
                seconds = min([until_due for until_due in left if until_due > 0], default=float("inf"))
            await self._wakes.rest(SHORTEST_LOOK)
            await self._wakes.next_look(seconds)

    def _next_due(self, connection: Connection) -> list[float]:
        """Return the seconds until something is due for each part; it runs in a thread, where no event may be set."""
        now = self._clock.common(connection)
        dues = (
            self._claims.next_due(connection, now=now),
            self._callbacks.next_due(connection),
            self._polling.next_due(connection, now=now),
        )
        return [float("inf") if due is None else due - now for due in dues]


async def _restarted(part: Callable[[], Awaitable[None]], wakes: Wakes) -> None:
    """Run a part of the relay until the relay ends, also after an error that nobody thought of."""
    while not wakes.stopping:
        try:
            await part()
        except Exception:
            _logger.critical("a part of the relay has failed and is started again", exc_info=True)
            await wakes.rest(RETRY)
