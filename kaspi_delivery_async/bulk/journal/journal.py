"""The journal: what is known of every order, so that a run can be continued and no courier comes twice."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

# The first of these tells clearly how to install SQLAlchemy if it is missing.
from kaspi_delivery_async._database.database import Database
from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async._wire.idempotency_keys import create_key
from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.bulk.journal import statements, tables
from kaspi_delivery_async.bulk.journal.claims import Session
from kaspi_delivery_async.bulk.journal.entries import JournalEntry, JournalTotals
from kaspi_delivery_async.bulk.order import OrderState
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.models import DeliveryRequest, from_json
from kaspi_delivery_async.order_files.lines import Line

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from types import TracebackType

    from sqlalchemy import Connection, Executable, RowMapping

    from kaspi_delivery_async.models import DeliveryWebhook

LEASE = 3.0
"""Seconds after which the orders of a run that was killed are taken up by another one."""

PAGE = 500
"""Orders that are read from the database at once."""


class Journal:
    """Remembers orders in an SQLite file (mode 0600) or a PostgreSQL database.

    Several runs, processes and machines may use one journal at once; each order is sent by one of
    them at a time. Use it as an asynchronous context manager, on one event loop::

        async with Journal("run.sqlite") as journal:
            async for result in create_deliveries(client, read_orders("orders.csv"), journal=journal): ...

    An order's body is kept only until its state is final. Every method raises `StorageError` while
    the database cannot be used.
    """

    def __init__(
        self, location: str | os.PathLike[str], *, lease: float = LEASE, clock: Callable[[], float] = time.time
    ) -> None:
        """Name the place; nothing is opened yet.

        Args:
            location: A file's path, which is created, or ``postgresql://user@host/name``.
            lease: Seconds after which another run takes up the orders of one that was killed.
            clock: Seconds since the epoch; the age of keys is judged by it.

        Raises `ConfigurationError` if the location is neither, or the lease is not positive.

        """
        if not lease > 0:
            raise ConfigurationError(f"Journal.lease is {lease!r}; it must be a positive number of seconds")
        self._place = parse_location(location)
        self._lease = lease
        self._clock = clock
        self._opened: Database | None = None
        self._runs: dict[Session, Callable[[], Awaitable[None]]] = {}

    async def __aenter__(self) -> Self:
        """Open it, creating what does not exist; raises `ConfigurationError` for what is no journal of this version."""
        self._opened = await Database.open(self._place, tables.JOURNAL)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the runs that still use it, letting what is in flight end, and close it."""
        try:
            for stop in [*self._runs.values()]:
                await stop()
        finally:
            database, self._opened = self._database, None
            await database.close()

    async def settle(self, event: DeliveryWebhook) -> bool:
        """Learn from a verified webhook that an order was made; return whether the journal waited for that.

        Hand it to an inbox: ``WebhookInbox(verifier, store=…, handler=journal.settle)``.
        """
        order_id = event.data.external_order_id
        if not order_id:
            return False
        statement = statements.settle(
            key=create_key(order_id),
            order_id=order_id,
            delivery_id=storable(event.data.delivery_id),
            now=self._clock(),
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def totals(self) -> JournalTotals:
        """Count orders by state."""
        return await self._database.read(_totals)

    async def unfinished(self) -> AsyncIterator[Line]:
        """Read the orders that are to be sent or sent again, to hand them to `create_deliveries`."""
        after = ""
        while True:
            rows = await self._page(statements.unfinished(after=after, limit=PAGE))
            for row in rows:
                yield Line(place=row["place"], order=from_json(DeliveryRequest, row["body"]))
            if len(rows) < PAGE:
                return
            after = rows[-1]["key"]

    async def entries(self) -> AsyncIterator[JournalEntry]:
        """Read all that is known, sorted by key."""
        after = ""
        while True:
            rows = await self._page(statements.entries(after=after, limit=PAGE))
            for row in rows:
                yield JournalEntry(**row)
            if len(rows) < PAGE:
                return
            after = rows[-1]["key"]

    async def begin(self, environment: str, *, run: str | None, stop: Callable[[], Awaitable[None]]) -> Session:
        """Let a run use the journal; ``stop`` ends it if the journal is closed first. For `create_deliveries`."""
        session = Session(self._database, run=run, lease=self._lease, clock=self._clock)
        await session.open(environment)
        self._runs[session] = stop
        return session

    async def leave(self, session: Session) -> None:
        """End what `begin` began."""
        self._runs.pop(session, None)
        await session.close()

    async def _page(self, statement: Executable) -> Sequence[RowMapping]:
        return await self._database.read(lambda connection: connection.execute(statement).mappings().all())

    @property
    def _database(self) -> Database:
        if self._opened is None:
            raise ConfigurationError("the journal is not open; use it inside `async with Journal(...) as journal:`")
        return self._opened


def _totals(connection: Connection) -> JournalTotals:
    environment = connection.execute(statements.environment()).scalar_one_or_none()
    rows = connection.execute(statements.totals()).all()
    counts = {OrderState(state): count for state, count, _ in rows}
    return JournalTotals(
        environment=environment,
        orders=MappingProxyType({state: counts.get(state, 0) for state in OrderState}),
        oldest_sent_at=next((oldest for state, _, oldest in rows if state == OrderState.SENT), None),
    )
