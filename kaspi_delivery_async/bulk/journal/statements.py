"""SQL statements of the journal, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Column,
    Float,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from kaspi_delivery_async._exactly_once.states import UNFINISHED, OrderState
from kaspi_delivery_async.bulk.journal.tables import environments, orders, owners

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Delete, Executable, Select, Subquery, TableValuedAlias, Update


_row = orders.c
_UNFINISHED = sorted(UNFINISHED)


def _insert(table: Table, *, is_postgresql: bool) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if is_postgresql else sqlite.insert(table)


def _given(*columns: Column[Any], is_postgresql: bool) -> TableValuedAlias | Subquery:
    """Return rows that are passed as one parameter, ``rows``: JSON, a list of objects, in bytes.

    However many there are, it stays the same statement, and the driver is asked only once. As bytes they
    stay out of the driver's log.
    """
    rows = bindparam("rows", type_=LargeBinary)
    if is_postgresql:
        records = func.json_to_recordset(cast(func.convert_from(rows, "UTF8"), JSON))
        return records.table_valued(*columns).render_derived(with_types=True)
    row = func.json_each(cast(rows, Text)).table_valued("value").c.value
    fields = (func.json_extract(row, f"$.{column.name}") for column in columns)
    return select(
        *(type_coerce(field, column.type).label(column.name) for field, column in zip(fields, columns, strict=True))
    ).subquery()


@cache
def insert_new(*, is_postgresql: bool) -> Executable:
    """Insert orders that are not known yet, as sent; returns the keys of those that were inserted.

    Parameters ``run_id``, ``owner``, ``account``, ``now``, and ``rows`` with ``key``, ``order_id``, ``fingerprint``,
    ``body`` and ``place``, in the order in which they are locked.
    """
    names = ("key", "order_id", "fingerprint", "body", "place")
    given = _given(*(Column(name, Text) for name in names), is_postgresql=is_postgresql)
    now = bindparam("now", type_=Float(53))
    added = select(
        *given.c,
        literal(OrderState.SENT.value),
        bindparam("run_id", type_=_row.run_id.type),
        bindparam("owner", type_=_row.owner.type),
        bindparam("account", type_=_row.account.type),
        now,
        now,
    ).where(true())  # without a condition SQLite would take ON CONFLICT for a part of the select
    return (
        _insert(orders, is_postgresql=is_postgresql)
        .from_select([*names, "state", "run_id", "owner", "account", "sent_at", "updated_at"], added)
        .on_conflict_do_nothing()
        .returning(_row.key)
    )


def lock_known(keys: Collection[str], *, now: float) -> Executable:
    """Read known orders, and keep other processes from changing them until the transaction ends."""
    alive = select(owners.c.owner).where(owners.c.owner == _row.owner, owners.c.alive_until > now).exists()
    return (
        select(
            _row.key,
            _row.state,
            _row.fingerprint,
            _row.run_id,
            _row.place,
            _row.sent_at,
            _row.account,
            _row.delivery_id,
            _row.tracking_url,
            _row.error,
            alive.label("leased"),
        )
        .where(_row.key.in_(keys))
        .order_by(_row.key)  # everyone in the same order, so that nobody deadlocks
        .with_for_update(of=orders)
    )


def take() -> Update:
    """Claim known orders; parameters as of `meet`, and ``owner``, ``account``, ``sent_at``, ``updated_at``.

    An earlier ``sent_at`` stays, with its ``account``: the age of the key counts from there.
    """
    return (
        update(orders)
        .where(_row.key == bindparam("b_key"))
        .values(
            state=OrderState.SENT,
            run_id=bindparam("run_id"),
            place=bindparam("place"),
            owner=bindparam("owner"),
            account=case((_row.sent_at.is_(None), bindparam("account", type_=_row.account.type)), else_=_row.account),
            sent_at=func.coalesce(_row.sent_at, bindparam("sent_at")),
            updated_at=bindparam("updated_at"),
        )
    )


def meet() -> Update:
    """Write down which line of the input a known order is; parameters ``b_key``, ``run_id``, ``place``."""
    return (
        update(orders)
        .where(_row.key == bindparam("b_key"))
        .values(run_id=bindparam("run_id"), place=bindparam("place"))
    )


def doubt() -> Update:
    """Give up orders that may have arrived; parameters as of `meet`, and ``updated_at``."""
    return (
        update(orders)
        .where(_row.key == bindparam("b_key"))
        .values(
            state=OrderState.IN_DOUBT,
            body=None,
            owner=None,
            run_id=bindparam("run_id"),
            place=bindparam("place"),
            updated_at=bindparam("updated_at"),
        )
    )


def lock(keys: Collection[str]) -> Executable:
    """Keep other processes from changing orders until the transaction ends."""
    return select(_row.key).where(_row.key.in_(keys)).order_by(_row.key).with_for_update()


@cache
def end(*, is_postgresql: bool) -> Update:
    """Write down the results of orders that were claimed.

    A delivery that the API says it made is made, whatever was believed before. Anything else gives way to a webhook,
    and to another run that has claimed the order after this one's lease expired.

    Parameters ``b_owner``, ``now``, and ``rows`` with ``key``, ``state``, ``sent_at``, ``delivery_id``,
    ``tracking_url`` and ``error``.
    """
    noted = ("state", "sent_at", "delivery_id", "tracking_url", "error")
    given = _given(
        *(Column(name, Float(53) if name == "sent_at" else Text) for name in ("key", *noted)),
        is_postgresql=is_postgresql,
    )
    is_ours = and_(_row.state == OrderState.SENT, _row.owner == bindparam("b_owner"))
    return (
        update(orders)
        .where(_row.key == given.c.key, or_(given.c.state == OrderState.CREATED, is_ours))
        .values(
            owner=None,
            body=case((given.c.state.in_(_UNFINISHED), _row.body), else_=null()),
            updated_at=bindparam("now"),
            **{name: given.c[name] for name in noted},
        )
    )


def confirm(*, key: str, order_id: str, delivery_id: str, now: float) -> Update:
    """Write down that a webhook names the delivery of an open order."""
    return (
        update(orders)
        .where(_row.key == key, _row.order_id == order_id, _row.state.in_([*_UNFINISHED, OrderState.IN_DOUBT]))
        .values(state=OrderState.CREATED, delivery_id=delivery_id, body=None, owner=None, error=None, updated_at=now)
    )


def of_run(run_id: str, keys: Collection[str]) -> Executable:
    """Read orders that a passage through an input has met."""
    return _entries().where(_row.run_id == run_id, _row.key.in_(keys))


def in_flight(run_id: str, *, now: float) -> Executable:
    """Count the orders of a passage through an input that a run which is alive may be sending."""
    return (
        select(func.count())
        .select_from(orders.join(owners, owners.c.owner == _row.owner))
        .where(_row.run_id == run_id, _row.state == OrderState.SENT, owners.c.alive_until > now)
    )


def unfinished(*, after: str, limit: int) -> Executable:
    """Read a page of the orders that another run takes up."""
    return (
        select(_row.key, _row.place, _row.body)
        .where(_row.state.in_(_UNFINISHED), _row.key > after)
        .order_by(_row.key)
        .limit(limit)
    )


def entries(*, after: str, limit: int) -> Executable:
    """Read a page of all orders; returns the fields of `JournalEntry`."""
    return _entries().where(_row.key > after).order_by(_row.key).limit(limit)


def _entries() -> Select[*tuple[Any, ...]]:
    return select(
        _row.key,
        _row.order_id,
        _row.fingerprint,
        _row.state,
        _row.place,
        _row.sent_at,
        _row.updated_at,
        _row.delivery_id,
        _row.tracking_url,
        _row.error,
    )


def totals() -> Executable:
    """Count orders by state, and find when the oldest of each may first have left."""
    return select(_row.state, func.count(), func.min(_row.sent_at)).group_by(_row.state)


def keep_alive(owner: str, *, until: float, is_postgresql: bool) -> Executable:
    """Renew an owner's lease."""
    statement = _insert(owners, is_postgresql=is_postgresql).values(owner=owner, alive_until=until)
    return statement.on_conflict_do_update(index_elements=["owner"], set_={"alive_until": until})


def lock_rate(name: str, *, is_postgresql: bool) -> Executable:
    """Read until when the slots of a shared rate are given out, and keep other processes from taking any meanwhile."""
    statement = _insert(owners, is_postgresql=is_postgresql).values(owner=name, alive_until=0.0)
    unchanged = {"alive_until": owners.c.alive_until}
    return statement.on_conflict_do_update(index_elements=["owner"], set_=unchanged).returning(owners.c.alive_until)


def keep_rate(name: str, *, next_free: float) -> Update:
    """Write down until when the slots of a shared rate are given out."""
    return update(owners).where(owners.c.owner == name).values(alive_until=next_free)


def retire(owner: str, *, now: float) -> Delete:
    """Delete the lease of an owner that has ended, and those that have expired."""
    return delete(owners).where((owners.c.owner == owner) | (owners.c.alive_until < now))


def choose_environment(environment: str, *, is_postgresql: bool) -> Executable:
    """Write down which environment the journal is for, unless it has one."""
    return (
        _insert(environments, is_postgresql=is_postgresql)
        .values(number=1, environment=environment)
        .on_conflict_do_nothing()
    )


def environment() -> Executable:
    """Read which environment the journal is for."""
    return select(environments.c.environment)
