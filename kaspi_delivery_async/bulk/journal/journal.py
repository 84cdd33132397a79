"""The journal of orders: it lets a run be resumed, and no order be sent as two deliveries."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from functools import partial
from types import MappingProxyType, TracebackType
from typing import NoReturn, Protocol, Self

from sqlalchemy import Connection, Executable, RowMapping

# The first of these says how to install SQLAlchemy if it is missing.
from kaspi_delivery_async._database.database import Database, database_time
from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async._exactly_once.closing import finished
from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async._wire.idempotency_keys import create_key
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.bulk.journal import statements, tables
from kaspi_delivery_async.bulk.journal.claims import Claims
from kaspi_delivery_async.bulk.journal.entries import JournalEntry, JournalTotals
from kaspi_delivery_async.bulk.journal.erasure import Erasure, erase
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.models import DeliveryRequest, DeliveryWebhook, from_json
from kaspi_delivery_async.options import Limits
from kaspi_delivery_async.order_files.lines import Line

LEASE = 3.0
"""Seconds after which the orders of a run that was killed are resumed by another one."""

POLL = 0.2
"""Seconds between looks at the orders that other runs are sending."""

PAGE = 500
"""Orders that are read from the database at once."""


class Run(Protocol):
    """A run that uses the journal, as the journal sees it."""

    async def finish(self) -> None:
        """Take no more orders, let those in flight end, and close the run's claims."""
        ...

    def abort(self) -> None:
        """Cancel the orders in flight at once."""
        ...


class Journal:
    """Keeps orders in an SQLite file (mode 0600) or a PostgreSQL database.

    Several runs, processes and machines may use one journal at once; each order is sent by one of
    them at a time. Use it as an asynchronous context manager, on one event loop::

        async with Journal("run.sqlite") as journal:
            async for result in create_deliveries(client, read_orders("orders.csv"), journal=journal): ...

    An order's body is kept only until its state is final. Every method raises `StorageError` while
    the database cannot be used, also if an SQLite file is no longer at its path.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        lease: float = LEASE,
        rate: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Name the database; nothing is opened yet.

        Args:
            location: A file's path, which is created, or ``postgresql://user@host/name``.
            lease: Seconds after which another run resumes the orders of one that was killed.
            rate: Requests per second of all runs together that state one on this journal with the same API key, on this
                machine and others; None leaves that to the client's `Limits`, which hold for one process.
            clock: Returns Unix seconds, by which the age of keys is counted. None uses the database's own clock on
                PostgreSQL, and this machine's clocks on SQLite: the one that has advanced further.

        Raises `ConfigurationError` if the location is neither, or the lease or the rate is not positive.

        """
        Limits(rate=rate)  # refuses a rate that makes no sense
        if not lease > 0:
            raise ConfigurationError(f"Journal.lease is {lease!r}; it must be a positive number of seconds")
        self._place = parse_location(location)
        self._lease = lease
        self._rate = rate
        self._clock = clock
        self._opened: Database | None = None
        self._runs: list[Run] = []

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled: a URL's password would be in the pickle."""
        raise TypeError("a Journal cannot be pickled; make one in the process that uses it")

    async def __aenter__(self) -> Self:
        """Open it, creating what does not exist; raises `ConfigurationError` for what is no journal of this version."""
        self._opened = await Database.open(self._place, tables.JOURNAL)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the runs that still use it, letting the orders in flight end, and close it.

        Cancelled meanwhile, it cancels those orders; it always closes the database.
        """
        closing = asyncio.create_task(self._close())
        await finished(closing, on_cancelled=self._abort)

    async def confirm(self, event: DeliveryWebhook) -> bool:
        """Mark an order as created because a verified webhook names it; return whether it was still open.

        Pass it to an inbox: ``WebhookInbox(verifier, store=…, handler=journal.confirm)``.
        """
        order_id = canonical_order_id(event.data.external_order_id or "")
        if not order_id:
            return False
        confirm = partial(
            statements.confirm,
            key=create_key(order_id),
            order_id=order_id,
            delivery_id=storable(event.data.delivery_id),
        )
        return await self._database.write(
            lambda connection: connection.execute(confirm(now=self._now(connection))).rowcount == 1
        )

    async def erase(self, order_ids: Iterable[str]) -> dict[str, Erasure]:
        """Erase what the journal holds of people in these orders, and return what was done with each.

        An SQLite file holds nothing of it when the journal is closed, if no other process has it open, or else 5 s
        later. PostgreSQL keeps old rows until it vacuums, and in its own write-ahead log, replicas and backups.
        """
        keys = {order_id: create_key(canonical_order_id(order_id)) for order_id in order_ids}
        return await self._database.write(lambda connection: erase(connection, keys=keys, now=self._now(connection)))

    async def totals(self) -> JournalTotals:
        """Count orders by state."""
        return await self._database.read(_totals)

    async def unfinished(self) -> AsyncIterator[Line]:
        """Read the orders that are to be sent or sent again, as input for `create_deliveries`."""
        after = ""
        while True:
            rows = await self._page(statements.unfinished(after=after, limit=PAGE))
            for row in rows:
                yield Line(place=row["place"], order=from_json(DeliveryRequest, row["body"]))
            if len(rows) < PAGE:
                return
            after = rows[-1]["key"]

    async def entries(self) -> AsyncIterator[JournalEntry]:
        """Read all orders, sorted by key."""
        after = ""
        while True:
            rows = await self._page(statements.entries(after=after, limit=PAGE))
            for row in rows:
                yield JournalEntry(**row)
            if len(rows) < PAGE:
                return
            after = rows[-1]["key"]

    async def of_run(self, run_id: str, keys: Collection[str]) -> dict[str, JournalEntry]:
        """Read the orders with these keys that a passage through an input has met, by key."""
        rows = await self._page(statements.of_run(run_id, keys))
        return {row["key"]: JournalEntry(**row) for row in rows}

    async def wait_until_ended(self, run_id: str, *, timeout: float) -> None:
        """Wait until nobody is sending orders of a passage through an input, for at most ``timeout`` seconds."""
        for _ in range(int(timeout / POLL)):
            if not await self._database.read(
                lambda connection: connection.scalar(statements.in_flight(run_id, now=self._now(connection)))
            ):
                return
            await asyncio.sleep(POLL)

    async def begin(self, environment: str, *, run_id: str | None = None, account: str | None = None) -> Claims:
        """Open a run's claims; pass the run to `close_with` before anything else happens. For `create_deliveries`."""
        if run_id is not None and len(run_id) > tables.LONGEST_RUN_ID:
            raise ConfigurationError(
                f"create_deliveries: run_id is {run_id!r}; it must have at most {tables.LONGEST_RUN_ID} characters"
            )
        claims = Claims(
            self._database, run_id=run_id, account=account, lease=self._lease, rate=self._rate, clock=self._clock
        )
        await claims.open(environment)
        return claims

    def close_with(self, run: Run) -> None:
        """Have a run finished before the journal is closed."""
        self._runs.append(run)

    def forget(self, run: Run) -> None:
        """Take note that a run has finished."""
        self._runs.remove(run)

    async def _close(self) -> None:
        try:
            for run in [*self._runs]:
                await run.finish()
        finally:
            database, self._opened = self._database, None
            await database.close()

    def _abort(self) -> None:
        for run in self._runs:
            run.abort()

    def _now(self, connection: Connection) -> float:
        if self._clock is not None:
            return self._clock()
        now: float = connection.scalar(database_time()) if self._database.is_postgresql else time.time()
        return now

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
