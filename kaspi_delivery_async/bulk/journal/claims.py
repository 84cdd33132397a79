"""Claims of one run: it claims each order before sending it, and writes down the result afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import attrs
import orjson

from kaspi_delivery_async._database.group_commit import GroupCommit
from kaspi_delivery_async._exactly_once.decisions import put_back
from kaspi_delivery_async._exactly_once.lease import Lease, SharedClock
from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW, KeyAge
from kaspi_delivery_async.bulk.journal import statements
from kaspi_delivery_async.bulk.journal.shared_rate import RateTable, SharedRate
from kaspi_delivery_async.bulk.steps import Known, Step, next_step
from kaspi_delivery_async.errors import ConfigurationError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from kaspi_delivery_async._database.database import Database
    from kaspi_delivery_async._exactly_once.decisions import OrderUpdate
    from kaspi_delivery_async._wire.idempotency_keys import Moment
    from kaspi_delivery_async.bulk.order import Order

_KNOWN = tuple(field.name for field in attrs.fields(Known))


class Send(NamedTuple):
    """An order that is to be sent: the journal holds it as ``sent`` already."""

    sent_at: float
    """When it may first have left: Unix seconds."""
    age: KeyAge
    """Age of its idempotency key."""
    may_have_arrived: bool
    """Whether an earlier call may have had an effect."""
    lease: int
    """Number of the lease that it was claimed under."""


class Skip(NamedTuple):
    """An order that is not to be sent now."""

    step: Step
    """Anything but `Step.SEND`."""
    known: Known
    """What the journal holds of it."""


Claim = Send | Skip

_End = tuple["Order", Send, "OrderUpdate"]


class Claims:
    """One run's hold on the journal; what it has claimed is its own for as long as it renews its lease."""

    def __init__(
        self,
        database: Database,
        *,
        run_id: str | None,
        account: str | None,
        lease: float,
        rate: float | None,
        clock: Callable[[], float] | None,
    ) -> None:
        """Name the passage through an input, ``run_id``, which several runs may share, and the API key's digest."""
        self._database = database
        self._clock = SharedClock(database, clock)
        self._lease = Lease(database, self._clock, _Runs(is_postgresql=database.is_postgresql), seconds=lease)
        self.run_id: str = run_id or self._lease.owner
        self._account = account
        self._rate = None if rate is None else SharedRate(rate, RateTable(database, self._clock, account).take)
        self._claims: GroupCommit[Order, Claim] = GroupCommit(self._claim_group, on_abandoned=self._abandoned)
        self._ends: GroupCommit[_End, None] = GroupCommit(self._end_group)

    async def open(self, environment: str) -> None:
        """Begin; raises `ConfigurationError` if the journal is for another environment."""
        now = self._clock.moment()
        await self._database.write(partial(self._begin, environment=environment))
        self._lease.renewed(now)
        self._lease.keep()

    async def close(self) -> None:
        """Write what is still to be written, and let others have the orders that were not finished."""
        await self._claims.flush()
        await self._ends.flush()
        if self._rate is not None:
            await self._rate.close()
        await self._lease.give_back()

    async def stop_renewing(self) -> None:
        """Let the lease run out, as that of a process that was killed does."""
        await self._lease.expire()

    async def claim(self, order: Order) -> Claim:
        """Decide about an order of the input; if it is to be sent, the journal says so when this returns.

        Raises `StorageError`: nothing may be sent then.
        """
        return await self._claims.add(order)

    def may_send(self, claim: Send) -> bool:
        """Whether the key of a claimed order can still be trusted, and the order is certainly still this run's."""
        now = self._clock.moment()
        return self._lease.is_held(claim.lease, now) and claim.age.at(now) < RESEND_WINDOW

    def key_age(self, claim: Send) -> float:
        """Return the seconds since the key of a claimed order was first sent; 0 if it never was."""
        return claim.age.at(self._clock.moment()) if claim.may_have_arrived else 0.0

    async def before_attempt(self, claim: Send, deadline: float) -> None:
        """Wait until an order may be sent, by the shared rate, if there is one, and by its lease.

        Raises `TransportError` if the order is no longer this run's: the process was stopped for a while, for example.
        """
        if self._rate is not None:
            await self._rate.turn(deadline=deadline)
        if not self.may_send(claim):
            raise _not_ours()

    async def end(self, order: Order, claim: Send, update: OrderUpdate) -> None:
        """Write down the result of an order that was claimed; raises `StorageError`."""
        await self._ends.add((order, claim, update))

    def give_back(self, order: Order, claim: Send) -> None:
        """Let an order go that was claimed and not sent; it is written down when the claims are closed, at the latest.

        If it cannot be written, the order stays ``sent``, which is the cautious way to be wrong.
        """
        written = self._ends.add((order, claim, put_back(may_have_arrived=claim.may_have_arrived)))
        written.add_done_callback(lambda future: future.cancelled() or future.exception())

    def _abandoned(self, order: Order, claim: Claim) -> None:
        if isinstance(claim, Send):
            self.give_back(order, claim)

    def _begin(self, connection: Connection, *, environment: str) -> None:
        is_postgresql = self._database.is_postgresql
        connection.execute(statements.choose_environment(environment, is_postgresql=is_postgresql))
        found = connection.execute(statements.environment()).scalar_one()
        if found != environment:
            raise ConfigurationError(
                f"the journal holds orders for {found}, and this run is for {environment}: "
                "name another journal, or call the environment that this one was begun with"
            )
        self._lease.renew(connection)

    async def _claim_group(self, orders: Sequence[Order]) -> list[Claim]:
        now = self._clock.moment()
        renews = self._lease.is_due(now)
        claims = await self._database.write(partial(self._claim, orders=orders, now=now, renews=renews))
        if renews:
            self._lease.renewed(now)
        number = self._lease.number
        return [claim._replace(lease=number) if isinstance(claim, Send) else claim for claim in claims]

    def _claim(self, connection: Connection, *, orders: Sequence[Order], now: Moment, renews: bool) -> list[Claim]:
        if renews:  # or what is claimed here would be anyone's
            self._lease.renew(connection)
        wall = self._clock.age_time(connection)
        new = set(self._insert(connection, sorted(orders, key=lambda order: order.key), now=wall))
        earlier = [order.key for order in orders if order.key not in new]
        known = _lock(connection, earlier, alive_at=self._clock.common(connection)) if earlier else {}
        claims: list[Claim] = []
        for order in orders:
            before = known.get(order.key)
            step = next_step(order, before, run_id=self.run_id, account=self._account, now=wall)
            if before is not None and step is not Step.SEND:
                claims.append(Skip(step, before))
                continue
            sent_at = before.sent_at if before is not None else None
            age = KeyAge(now, seconds=0.0 if sent_at is None else max(0.0, wall - sent_at))
            has_left = sent_at is not None
            claims.append(Send(wall if sent_at is None else sent_at, age, may_have_arrived=has_left, lease=0))
        if known:
            self._note(connection, orders, claims, known, now=wall)
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
        parameters = {
            "rows": orjson.dumps(rows),
            "run_id": self.run_id,
            "owner": self._lease.owner,
            "account": self._account,
            "now": now,
        }
        statement = statements.insert_new(is_postgresql=self._database.is_postgresql)
        return connection.execute(statement, parameters).scalars().all()

    def _note(
        self,
        connection: Connection,
        orders: Sequence[Order],
        claims: Sequence[Claim],
        known: dict[str, Known],
        *,
        now: float,
    ) -> None:
        """Write down what was decided about orders that the journal held already."""
        rows = {step: list[dict[str, object]]() for step in (Step.SEND, Step.KNOWN, Step.DOUBT)}
        for order, claim in zip(orders, claims, strict=True):
            step = claim.step if isinstance(claim, Skip) else Step.SEND
            if order.key not in known or step not in rows:
                continue
            row: dict[str, object] = {"b_key": order.key, "run_id": self.run_id, "place": order.place}
            if step is Step.SEND:
                row |= {"owner": self._lease.owner, "sent_at": now, "account": self._account}
            if step is not Step.KNOWN:
                row["updated_at"] = now
            rows[step].append(row)
        for step, statement in (
            (Step.SEND, statements.take()),
            (Step.KNOWN, statements.meet()),
            (Step.DOUBT, statements.doubt()),
        ):
            if rows[step]:
                connection.execute(statement, rows[step])

    async def _end_group(self, ends: Sequence[_End]) -> list[None]:
        await self._database.write(partial(self._end, ends=ends))
        return [None] * len(ends)

    def _end(self, connection: Connection, *, ends: Sequence[_End]) -> None:
        rows = [
            {
                "key": order.key,
                "state": update.state,
                # What has certainly not arrived has a key that is as good as new.
                "sent_at": None if update.state in {OrderState.PENDING, OrderState.FAILED} else claim.sent_at,
                "delivery_id": update.delivery_id,
                "tracking_url": update.tracking_url,
                "error": update.error,
            }
            for order, claim, update in ends
        ]
        is_postgresql = self._database.is_postgresql
        if is_postgresql:  # SQLite has one writer at a time
            connection.execute(statements.lock([order.key for order, _, _ in ends]))
        connection.execute(
            statements.end(is_postgresql=is_postgresql),
            {"rows": orjson.dumps(rows), "b_owner": self._lease.owner, "now": self._clock.age_time(connection)},
        )


@attrs.frozen(kw_only=True)
class _Runs:
    """Leases of runs, in the journal's own table."""

    is_postgresql: bool

    def keep(self, connection: Connection, owner: str, *, until: float) -> None:
        connection.execute(statements.keep_alive(owner, until=until, is_postgresql=self.is_postgresql))

    def end(self, connection: Connection, owner: str, *, now: float) -> None:
        connection.execute(statements.retire(owner, now=now))


def _lock(connection: Connection, keys: Sequence[str], *, alive_at: float) -> dict[str, Known]:
    rows = connection.execute(statements.lock_known(keys, now=alive_at)).mappings()
    return {row["key"]: Known(**{name: row[name] for name in _KNOWN}) for row in rows}


def _not_ours() -> TransportError:
    error = TransportError(
        "the order was not sent: this run's lease on it has run out, and another run may be sending it; it is claimed "
        "again"
    )
    error.retryable = False
    return error
