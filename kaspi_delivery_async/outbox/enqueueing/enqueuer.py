"""Enqueueing and withdrawing in the shop's transactions, whether or not the outbox was entered."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.outbox.enqueueing import insertion
from kaspi_delivery_async.outbox.enqueueing.insertion import Insertion, ShopTransaction
from kaspi_delivery_async.outbox.enqueueing.sessions import AsyncTransaction, SyncTransaction, run_in, transaction_of
from kaspi_delivery_async.outbox.entries import OutboxEntry
from kaspi_delivery_async.outbox.storage.database import Identity, OutboxDatabase


class Enqueuer:
    """What an outbox does in the shop's own transactions."""

    def __init__(
        self,
        location: str | os.PathLike[str],
        schema: str | None = None,
        *,
        create_tables: bool = True,
        notify: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Name the shop's database; nothing is opened yet.

        Args:
            location: The path of the shop's SQLite file, or ``postgresql://user@host/name``.
            schema: Schema of the tables on PostgreSQL. None takes the first one of the URL's ``search_path``.
            create_tables: Whether tables that are missing are created.
            notify: Whether `enqueue` wakes relays by PostgreSQL's NOTIFY. It makes commits wait for each other: a shop
                that commits hundreds of times a second passes False, and relays look every second.
            clock: Returns Unix seconds. None uses the database's own clock on PostgreSQL, and this machine's on SQLite.

        Raises `ConfigurationError` if the location is neither.

        """
        self._location = parse_location(location)
        self._schema = schema
        self._create_tables = create_tables
        self._notify = notify
        self._clock = clock
        self._identity: Identity | None = None
        self._opening = threading.Lock()

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled: a URL's password would be in the pickle."""
        raise TypeError("a DeliveryOutbox cannot be pickled; make one in the process that uses it")

    async def enqueue(
        self,
        session: AsyncTransaction,
        request: DeliveryRequest,
        idempotency_key: str | None = None,
        *,
        not_before: datetime | None = None,
    ) -> OutboxEntry:
        """Have a delivery created once the shop's transaction commits; nothing is done if it rolls back.

        The same order with the same content is enqueued once: its entry is returned, whatever its state.

        Args:
            session: The session or connection that writes the shop's order, inside of its transaction.
            request: The order.
            idempotency_key: As of `DeliveryClient.create_delivery`.
            not_before: When it may first leave, with its zone; None if at once.

        Raises `InvalidRequestError` for a request that `create_delivery` would refuse, or a time without a zone;
        `OutboxConflictError` if the order is there with other content; `ConfigurationError` for a session that
        autocommits, is closed, or is on another database. Nothing is written then.

        """
        order = Insertion.of(request, idempotency_key, not_before)
        identity = self._identity or await self._identify()
        return await run_in(session, identity.schema, partial(self._enqueue, order, identity))

    def enqueue_sync(
        self,
        session: SyncTransaction | Any,
        request: DeliveryRequest,
        idempotency_key: str | None = None,
        *,
        not_before: datetime | None = None,
    ) -> OutboxEntry:
        """Enqueue as `enqueue` does, in a transaction of a synchronous session or connection.

        ``session`` is one of SQLAlchemy, or ``django.db.connection`` inside of ``transaction.atomic()``.
        """
        order = Insertion.of(request, idempotency_key, not_before)
        identity = self._identify_sync()
        return self._enqueue(order, identity, transaction_of(session, identity.schema))

    async def withdraw(self, session: AsyncTransaction, order_id: str) -> bool:
        """Withdraw an order in the shop's transaction, if nothing of it has left; return whether it never leaves.

        False if it has left or may have (then use `DeliveryClient.cancel_delivery`), and if it is not there.
        Raises `ConfigurationError` as `enqueue` does.
        """
        identity = self._identity or await self._identify()

        def work(transaction: ShopTransaction) -> bool:
            return insertion.withdraw(transaction, order_id, identity=identity, now=self._local_now())

        return await run_in(session, identity.schema, work)

    def _enqueue(self, order: Insertion, identity: Identity, transaction: ShopTransaction) -> OutboxEntry:
        return insertion.enqueue(transaction, order, identity=identity, now=self._local_now(), notifies=self._notify)

    async def _identify(self) -> Identity:
        """Find out which outbox the database holds, without keeping a connection."""
        database = self._new_database()
        self._identity = await database.enter()
        await database.close()
        return self._identity

    def _identify_sync(self) -> Identity:
        with self._opening:
            if self._identity is None:
                # In a thread of its own, as this one may have an event loop already.
                with ThreadPoolExecutor(1) as thread:
                    self._identity = thread.submit(asyncio.run, self._identify()).result()
            return self._identity

    def _new_database(self) -> OutboxDatabase:
        return OutboxDatabase(self._location, schema=self._schema, create_tables=self._create_tables)

    def _local_now(self) -> float | None:
        """Return the time for a statement; None leaves it to PostgreSQL's own clock."""
        if self._clock is not None:
            return self._clock()
        return None if isinstance(self._location, str) else time.time()
