"""Claims of one relay: it claims entries before sending them, under a lease that it renews."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async._exactly_once.decisions import is_young
from kaspi_delivery_async._exactly_once.lease import Lease
from kaspi_delivery_async._exactly_once.operations import stored_create
from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW, KeyAge
from kaspi_delivery_async.errors import TransportError
from kaspi_delivery_async.outbox.storage import relay_statements as statements

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.models import DeliveryCreated
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase

LEASE = 60.0
"""Seconds after which the entries of a relay that was killed are sent by another one."""


@attrs.frozen(kw_only=True)
class Claim:
    """An entry that this relay is to send; the table holds it as sent already."""

    number: int
    order_id: str
    operation: Operation[DeliveryCreated] = attrs.field(repr=False)
    age: KeyAge
    """Age of its idempotency key."""
    may_have_arrived: bool
    """Whether an earlier call may have had an effect."""
    is_young: bool
    """Whether its key can still be trusted."""
    lease: int
    """Number of the lease that it was claimed under."""


class Claims:
    """One relay's hold on the outbox."""

    def __init__(self, database: OutboxDatabase, clock: SharedClock, *, account: str | None) -> None:
        """Take no claim yet; ``account`` is the digest of the API key."""
        self._database = database
        self._clock = clock
        self._account = account
        relays = _Relays(is_postgresql=database.is_postgresql)
        self._lease = Lease(database, clock, relays, seconds=LEASE)

    @property
    def owner(self) -> str:
        """Name of this relay in the table."""
        return self._lease.owner

    async def open(self) -> None:
        """Take the lease, and renew it from now on."""
        now = self._clock.moment()
        await self._database.write(self._lease.renew)
        self._lease.renewed(now)
        self._lease.keep()

    async def close(self) -> None:
        """Give the lease back: what is still claimed is sent by others."""
        await self._lease.give_back()

    async def claim(self, limit: int) -> list[Claim]:
        """Claim entries that are due, those first that have been due longest; raises `StorageError`."""
        moment = self._clock.moment()
        renews = self._lease.is_due(moment)

        def work(connection: Connection) -> list[Claim]:
            if renews:  # or what is claimed here would be anyone's
                self._lease.renew(connection)
            now = self._clock.common(connection)
            statement = statements.claim(
                owner=self.owner, account=self._account, now=now, stale=now - RESEND_WINDOW, limit=limit
            )
            found = connection.execute(statement).all()
            return [
                Claim(
                    number=row.number,
                    order_id=row.order_id,
                    operation=stored_create(order_id=row.order_id, key=row.idempotency_key, body=row.body.encode()),
                    age=KeyAge(moment, seconds=max(0.0, now - row.first_sent_at)),
                    may_have_arrived=row.first_sent_at != now,
                    is_young=is_young(row.first_sent_at, now=now),
                    lease=0,
                )
                for row in sorted(found, key=lambda row: (row.due_at, row.number))
            ]

        claims = await self._database.write(work)
        if renews:
            self._lease.renewed(moment)
        return [attrs.evolve(claim, lease=self._lease.number) for claim in claims]

    async def release_others(self, held: Collection[int]) -> None:
        """Let go of what was claimed by a transaction that seemed to fail; ``held`` is what this relay knows of."""

        def work(connection: Connection) -> None:
            now = self._clock.common(connection)
            connection.execute(statements.release(owner=self.owner, held=held, now=now))

        await self._database.write(work)

    def next_due(self, connection: Connection, *, now: float) -> float | None:
        """Return when the next entry is to be sent."""
        statement = statements.next_due(now=now, account=self._account, stale=now - RESEND_WINDOW)
        due: float | None = connection.scalar(statement)
        return due

    def may_send(self, claim: Claim) -> bool:
        """Whether the key of a claimed entry can still be trusted, and the entry is certainly still this relay's."""
        now = self._clock.moment()
        return self._lease.is_held(claim.lease, now) and claim.age.at(now) < RESEND_WINDOW

    def key_age(self, claim: Claim) -> float:
        """Return the seconds since the key of a claimed entry was first sent; 0 if it never was."""
        return claim.age.at(self._clock.moment()) if claim.may_have_arrived else 0.0

    async def before_attempt(self, claim: Claim, _deadline: float) -> None:
        """Raise `TransportError` if an entry is no longer this relay's: the process was stopped for a while, say."""
        if not self.may_send(claim):
            error = TransportError(
                "the order was not sent: the relay's lease on it has run out, and another relay may be sending it"
            )
            error.retryable = False
            raise error


@attrs.frozen(kw_only=True)
class _Relays:
    """Leases of relays, in the outbox's own table."""

    is_postgresql: bool

    def keep(self, connection: Connection, owner: str, *, until: float) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}"
        connection.execute(statements.keep_alive(owner, name=name, until=until, is_postgresql=self.is_postgresql))

    def end(self, connection: Connection, owner: str, *, now: float) -> None:
        connection.execute(statements.retire(owner, now=now))
