"""What one run asks of the journal: to take an order before it is sent, and to write down what became of it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import attrs
import orjson

from kaspi_delivery_async._database.group_commit import GroupCommit
from kaspi_delivery_async.bulk.decisions import Known, Step, is_young, next_step
from kaspi_delivery_async.bulk.journal import statements
from kaspi_delivery_async.bulk.order import OrderState
from kaspi_delivery_async.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Executable

    from kaspi_delivery_async._database.database import Database
    from kaspi_delivery_async.bulk.decisions import Verdict
    from kaspi_delivery_async.bulk.order import Order

_End = tuple["Order", "Claim", "Verdict"]

_KNOWN = tuple(field.name for field in attrs.fields(Known))

_logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """What is to be done about an order, decided and written down."""

    step: Step
    sent_at: float
    """When it may first have left: Unix seconds."""
    known: Known | None
    """What the journal knew before."""

    @property
    def may_have_arrived(self) -> bool:
        """Whether an earlier run may have had it carried out."""
        return self.known is not None and self.known.sent_at is not None


class Session:
    """One run's hold on the journal; the orders that it has taken are its own for as long as it shows to be alive."""

    _heartbeat: asyncio.Task[None]

    def __init__(self, database: Database, *, run: str | None, lease: float, clock: Callable[[], float]) -> None:
        """Name the passage through an input: several sessions may be parts of one ``run``."""
        self._database = database
        self._owner = uuid.uuid4().hex
        self.run: str = run or self._owner
        self._lease = lease
        self._clock = clock
        self._claims = GroupCommit(self._claim_group)
        self._ends = GroupCommit(self._end_group)

    async def open(self, environment: str) -> None:
        """Begin; raises `ConfigurationError` if the journal is for another environment."""
        await self._database.write(partial(self._begin, environment=environment))
        self._heartbeat = asyncio.create_task(self._stay_alive())

    async def close(self) -> None:
        """Write what is still to be written, and let others have the orders that were not finished."""
        await self._claims.flush()
        await self._ends.flush()
        self._heartbeat.cancel()
        await asyncio.wait([self._heartbeat])
        try:
            await self._execute(statements.retire(self._owner, now=self._clock()))
        except StorageError as error:
            _logger.warning("the journal's lease could not be given back, it ends in %g s: %s", self._lease, error)

    async def claim(self, order: Order) -> Claim:
        """Decide about an order that was met in the input; if it is to be sent, the journal says so when this returns.

        Raises `StorageError`: nothing may be sent then.
        """
        return await self._claims.submit(order)

    def may_send(self, claim: Claim) -> bool:
        """Whether the key of a claimed order can still be trusted."""
        return is_young(claim.sent_at, now=self._clock())

    async def end(self, order: Order, claim: Claim, verdict: Verdict) -> None:
        """Write down what became of an order that was sent; raises `StorageError`."""
        await self._ends.submit((order, claim, verdict))

    def _begin(self, connection: Connection, *, environment: str) -> None:
        is_postgresql = self._database.is_postgresql
        connection.execute(statements.choose_environment(environment, is_postgresql=is_postgresql))
        found = connection.execute(statements.environment()).scalar_one()
        if found != environment:
            raise ConfigurationError(
                f"the journal holds orders for {found}, and this run is for {environment}: "
                "name another journal, or call the environment that this one was begun with"
            )
        connection.execute(self._keep_alive())

    async def _claim_group(self, orders: Sequence[Order]) -> list[Claim]:
        return await self._database.write(partial(self._claim, orders=orders, now=self._clock()))

    def _claim(self, connection: Connection, *, orders: Sequence[Order], now: float) -> list[Claim]:
        first = {order.key: order for order in reversed(orders)}
        new = set(self._insert(connection, [first[key] for key in sorted(first)], now=now))
        known = _lock(connection, [key for key in first if key not in new], now=now)
        claims: list[Claim] = []
        for order in orders:
            before = known.get(order.key)
            step = next_step(order, before, run=self.run, now=now)
            sent_at = now if before is None or before.sent_at is None else before.sent_at
            claims.append(Claim(step=step, sent_at=sent_at, known=before))
            if len(first) < len(orders):
                known[order.key] = _met(order, before, run=self.run)
        if known:
            self._note(connection, orders, claims, now=now)
        return claims

    def _insert(self, connection: Connection, orders: Sequence[Order], *, now: float) -> Sequence[str]:
        rows = [
            {
                "key": order.key,
                "order_id": order.order_id,
                "fingerprint": order.fingerprint,
                "body": order.body.decode(),
                "place": order.place,
            }
            for order in orders
        ]
        parameters = {"rows": orjson.dumps(rows), "run": self.run, "owner": self._owner, "now": now}
        statement = statements.insert_new(is_postgresql=self._database.is_postgresql)
        return connection.execute(statement, parameters).scalars().all()

    def _note(self, connection: Connection, orders: Sequence[Order], claims: Sequence[Claim], *, now: float) -> None:
        """Write down what was decided about orders that were known."""
        rows = {
            Step.SEND: list[dict[str, object]](),
            Step.KNOWN: list[dict[str, object]](),
            Step.DOUBT: list[dict[str, object]](),
        }
        for order, claim in zip(orders, claims, strict=True):
            if claim.known is not None and claim.step in rows:
                met: dict[str, object] = {"b_key": order.key, "run": self.run, "place": order.place}
                if claim.step is Step.SEND:
                    met |= {"owner": self._owner, "sent_at": now}
                if claim.step is not Step.KNOWN:
                    met["updated_at"] = now
                rows[claim.step].append(met)
        for step, statement in (
            (Step.SEND, statements.take()),
            (Step.KNOWN, statements.meet()),
            (Step.DOUBT, statements.doubt()),
        ):
            if rows[step]:
                connection.execute(statement, rows[step])

    async def _end_group(self, ends: Sequence[_End]) -> list[None]:
        await self._database.write(partial(self._end, ends=ends, now=self._clock()))
        return [None] * len(ends)

    def _end(self, connection: Connection, *, ends: Sequence[_End], now: float) -> None:
        rows = [
            {
                "key": order.key,
                "state": verdict.state,
                # What has certainly not arrived has a key that is as good as new.
                "sent_at": None if verdict.state in {OrderState.PENDING, OrderState.FAILED} else claim.sent_at,
                "delivery_id": verdict.delivery_id,
                "tracking_url": verdict.tracking_url,
                "error": verdict.error,
            }
            for order, claim, verdict in ends
        ]
        is_postgresql = self._database.is_postgresql
        if is_postgresql:  # SQLite has one writer at a time
            connection.execute(statements.lock([order.key for order, _, _ in ends]))
        connection.execute(
            statements.end(is_postgresql=is_postgresql),
            {"rows": orjson.dumps(rows), "b_owner": self._owner, "now": now},
        )

    def _keep_alive(self) -> Executable:
        until = self._clock() + self._lease
        return statements.keep_alive(self._owner, until=until, is_postgresql=self._database.is_postgresql)

    async def _execute(self, statement: Executable) -> None:
        await self._database.write(lambda connection: connection.execute(statement))

    async def _stay_alive(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._execute(self._keep_alive())
            except StorageError as error:
                # Another run may send the same orders then: under the same keys, so that nothing is done twice.
                _logger.warning("the journal's lease could not be renewed, trying again: %s", error)


def _lock(connection: Connection, keys: Sequence[str], *, now: float) -> dict[str, Known]:
    if not keys:
        return {}
    rows = connection.execute(statements.lock_known(keys, now=now)).mappings()
    return {row["key"]: Known(**{name: row[name] for name in _KNOWN}) for row in rows}


def _met(order: Order, before: Known | None, *, run: str) -> Known:
    """Return what a second line of the same group finds, if it names the same order."""
    if before is not None:
        return attrs.evolve(before, run=run, place=order.place) if before.run != run else before
    return Known(
        state=OrderState.SENT,
        fingerprint=order.fingerprint,
        run=run,
        place=order.place,
        leased=True,
        sent_at=None,
        delivery_id=None,
        tracking_url=None,
        error=None,
    )
