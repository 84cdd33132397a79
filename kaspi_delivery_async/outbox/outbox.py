"""The outbox: an order and its courier in one transaction of the shop's own database."""

import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import ClassVar, Self

from kaspi_delivery_async._extras import missing_extra

try:
    importlib.import_module("greenlet")
    from sqlalchemy import Connection, Executable, MetaData, RowMapping
    from sqlalchemy.ext.asyncio import AsyncSession
except ImportError as _missing:
    raise missing_extra("outbox", "postgres", needs="SQLAlchemy with asyncio", purpose="the outbox") from _missing

from kaspi_delivery_async._database.database import database_time
from kaspi_delivery_async._exactly_once.lease import SharedClock
from kaspi_delivery_async._wire.idempotency_keys import create_key
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError
from kaspi_delivery_async.models import DeliveryWebhook
from kaspi_delivery_async.outbox.enqueueing.enqueuer import Enqueuer
from kaspi_delivery_async.outbox.entries import FINAL, OutboxEntry, OutboxState, OutboxStatus, ReconcileReport
from kaspi_delivery_async.outbox.reconciling import reconcile
from kaspi_delivery_async.outbox.relay import Relay
from kaspi_delivery_async.outbox.relay.callbacks import LIMIT, Callback
from kaspi_delivery_async.outbox.storage import observing, queries, statements, tables
from kaspi_delivery_async.outbox.storage.database import OutboxDatabase
from kaspi_delivery_async.outbox.storage.relay_statements import CallbackKind

PAGE = 500
"""Rows that are read or erased at once."""


class DeliveryOutbox(Enqueuer):
    """Keeps orders to send in the shop's own database, so that an order and its courier are one transaction.

    Enqueue in the transaction that writes the shop's order, and run a relay in any process::

        async with DeliveryOutbox("postgresql://…") as outbox:
            async with session.begin():
                session.add(order)
                await outbox.enqueue(session, request)
            async with outbox.relay(client, on_result=book):
                ...

    `enqueue`, `enqueue_sync` and `withdraw` work on an outbox that was not entered, too, as in a service without an
    event loop; everything else requires ``async with``, on one event loop. Every method raises `StorageError` while the
    database cannot be used.
    """

    metadata: ClassVar[MetaData] = tables.metadata
    """All tables of the outbox, for Alembic."""

    _opened: OutboxDatabase | None = None

    async def __aenter__(self) -> Self:
        """Open it, creating missing tables; raises `ConfigurationError` for what has to be put right by hand."""
        database = self._new_database()
        self._identity = await database.enter()
        self._opened = database
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        database, self._opened = self._database, None
        await database.close()

    @asynccontextmanager
    async def relay(
        self,
        client: DeliveryClient,
        on_result: Callback | None = None,
        on_status: Callback | None = None,
        *,
        concurrency: int = 16,
    ) -> AsyncGenerator[None]:
        """Send what is due, call back and follow deliveries, for as long as the context lasts.

        Any number of relays may run at once, in any number of processes. Leaving the context stops claiming, lets
        the calls in flight end, within the client's `Timeout.total`, and gives the rest back.

        A callback is called as ``await on_result(session, entry)`` with an `AsyncSession` on the outbox's database.
        What it does in that session is committed together with the mark that it ran, so it takes effect exactly once.
        It may take 10 seconds. One that raises is rolled back and called again, after 1 second, then twice as long each
        time, at most 5 minutes; others do not wait for it.

        Args:
            client: Sends the requests.
            on_result: Called once for each entry that becomes `CREATED` or `REJECTED`. None leaves that to a relay
                that has one.
            on_status: Called once for each status of a delivery, in order, the first one included. None as above.
            concurrency: Maximum number of calls at once.

        Raises `ConfigurationError` for a client of another environment than that of the relays before, and a
        concurrency that is not a whole number from 1.

        """
        if type(concurrency) is not int or concurrency < 1:
            raise ConfigurationError(f"relay: concurrency is {concurrency!r}; it must be a whole number, 1 or more")
        callbacks = {CallbackKind.RESULT: on_result, CallbackKind.STATUS: on_status}
        relay = Relay(
            self._database,
            SharedClock(self._database, self._clock),
            client,
            callbacks={kind: callback for kind, callback in callbacks.items() if callback is not None},
            concurrency=concurrency,
            listen_at=self._location if isinstance(self._location, str) and self._notify else None,
        )
        await relay.start()
        try:
            yield
        finally:
            await relay.finish()

    async def observe(self, event: DeliveryWebhook) -> None:
        """Take note of a verified event: the status of a delivery, or that an order in doubt was created.

        Pass it to an inbox: ``WebhookInbox(verifier, store=…, handler=outbox.observe)``. Repeated and late events
        change nothing, and events of other orders are ignored.
        """
        await self._database.write(partial(observing.observe, data=event.data, now=self._now, notifies=self._notify))

    async def reconcile(self, client: DeliveryClient) -> ReconcileReport:
        """Ask the API about what is in doubt, and about deliveries of which nothing came for an hour.

        It can be asked by delivery id alone: what has none is listed, with what a person has to look up.
        Raises what `DeliveryClient.get_delivery` raises, but for a delivery that is not known.
        """
        return await reconcile(self._database, SharedClock(self._database, self._clock), client)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Yield a session on the outbox's own connection, in a transaction that commits at the end of the context.

        For programs that have no session of their own; on PostgreSQL it may take 10 seconds.
        """
        async with self._database.transaction(limit=LIMIT) as connection, AsyncSession(connection) as session:
            yield session
            await session.commit()

    async def find(self, order_id: str) -> OutboxEntry | None:
        """Return an order's entry, as it is committed; None if there is none."""
        keys = {"order_key": create_key(canonical_order_id(order_id))}
        rows = await self._rows(statements.find().params(**keys))
        return OutboxEntry.of(rows[0]) if rows else None

    async def entries(self, states: Sequence[OutboxState] = tuple(OutboxState)) -> AsyncIterator[OutboxEntry]:
        """Read the entries in these states, in the order in which they were enqueued."""
        after = 0
        while True:
            statement = statements.page(states=states, after=after, limit=PAGE)
            rows = await self._rows(statement)
            for row in rows:
                yield OutboxEntry.of(row)
            if len(rows) < PAGE:
                return
            after = rows[-1]["number"]

    async def status(self) -> OutboxStatus:
        """Count the entries by state, with the age of the oldest, and list the relays that are paused."""
        return await self._database.read(lambda connection: queries.status(connection, now=self._now(connection)))

    async def prune(self, older_than: timedelta | float) -> int:
        """Erase bodies, links and error texts of final entries that have not changed for a time; return how many.

        Order id, key, fingerprint, delivery id, state and status stay: the same order enqueued a year later is still no
        second courier. ``older_than`` is a timedelta, or seconds.
        """
        seconds = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
        if not seconds >= 0:
            raise InvalidRequestError("older_than", "must be 0 seconds or more", operation="prune")
        pruned = 0
        while True:
            some = await self._database.write(partial(self._prune, seconds=seconds))
            pruned += some
            if some < PAGE:
                return pruned

    async def _rows(self, statement: Executable) -> Sequence[RowMapping]:
        return await self._database.read(lambda connection: connection.execute(statement).mappings().all())

    def _now(self, connection: Connection) -> float:
        now = self._local_now()
        return connection.scalar(database_time()) if now is None else now

    def _prune(self, connection: Connection, *, seconds: float) -> int:
        before = self._now(connection) - seconds
        return connection.execute(statements.prune(states=sorted(FINAL), before=before, limit=PAGE)).rowcount

    @property
    def _database(self) -> OutboxDatabase:
        if self._opened is None:
            raise ConfigurationError(
                "the outbox is not open; use it inside `async with DeliveryOutbox(...) as outbox:`"
            )
        return self._opened
