"""Changes of entries: rows are locked, decided about in Python, and written back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from sqlalchemy import bindparam, func, insert, or_, select, update

from kaspi_delivery_async.outbox.decisions import Row
from kaspi_delivery_async.outbox.storage.tables import columns, entries, statuses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Connection, Executable, Update

_row = entries.c
_NAMES = tuple(field.name for field in attrs.fields(Row) if field.name != "seen")
_COLUMNS = columns(_NAMES)


def lock(connection: Connection, numbers: Collection[int]) -> list[Row]:
    """Read entries, and keep others from changing them until the transaction ends."""
    # By number, everyone in the same order, so that nobody deadlocks.
    return _locked(connection, _row.number.in_(numbers))


def lock_named(connection: Connection, *, order_key: str | None, delivery_id: str) -> list[Row]:
    """Read and lock the entries of an order or of a delivery."""
    conditions = [_row.delivery_id == delivery_id, *([] if order_key is None else [_row.order_key == order_key])]
    return _locked(connection, or_(*conditions))


def save(connection: Connection, before: Iterable[Row], after: Iterable[Row]) -> None:
    """Write what has changed."""
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    if not changed:
        return
    rows = [{f"b_{name}": getattr(new, name) for name in _NAMES} for _, new in changed]
    connection.execute(_WRITE, rows)
    news = [
        {"entry": new.number, "position": position, "status": new.seen[position]}
        for old, new in changed
        for position in range(len(old.seen), len(new.seen))
    ]
    if news:
        connection.execute(insert(statuses), news)


def unreported(number: int) -> Executable:
    """Read the first status of an entry that no callback has reported, and how many there are."""
    return (
        select(statuses.c.position, statuses.c.status, func.count().over().label("left"))
        .where(statuses.c.entry == number, statuses.c.reported_at.is_(None))
        .order_by(statuses.c.position)
        .limit(1)
    )


def report(number: int, position: int, *, now: float) -> Update:
    """Write down that a status was reported."""
    return update(statuses).where(statuses.c.entry == number, statuses.c.position == position).values(reported_at=now)


_WRITE = (
    update(entries)
    .where(_row.number == bindparam("b_number"))
    .values({column: bindparam(f"b_{column.name}", type_=column.type) for column in _COLUMNS if not column.primary_key})
)


def _locked(connection: Connection, condition: ColumnElement[bool]) -> list[Row]:
    select_rows = select(*_COLUMNS).where(condition).order_by(_row.number).with_for_update()
    rows = [Row(**found) for found in connection.execute(select_rows).mappings()]
    with_status = [row.number for row in rows if row.status is not None]
    if not with_status:
        return rows
    seen: dict[int, list[str]] = {}
    select_seen = (
        select(statuses.c.entry, statuses.c.status)
        .where(statuses.c.entry.in_(with_status))
        .order_by(statuses.c.entry, statuses.c.position)
    )
    for number, status in connection.execute(select_seen):
        seen.setdefault(number, []).append(status)
    return [attrs.evolve(row, seen=tuple(seen.get(row.number, ()))) for row in rows]
