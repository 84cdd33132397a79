"""Erasing what a journal holds of people, order by order."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import case, delete, select, update

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async.bulk.journal.tables import orders, owners

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


class Erasure(StrEnum):
    """What erasing an order did."""

    ERASED = "erased"
    """The journal holds no name, phone, address or link of it: order id, key, state and delivery id remain, so that no
    second courier is ordered. One without a response is ``in_doubt`` now: it cannot be sent again."""
    REMOVED = "removed"
    """It had not been sent, and the journal holds nothing of it any more."""
    IN_FLIGHT = "in_flight"
    """A run is sending it just now; nothing was erased."""
    UNKNOWN = "unknown"
    """The journal does not hold it."""


def erase(connection: Connection, *, keys: Mapping[str, str], now: float) -> dict[str, Erasure]:
    """Erase the orders with these keys, by order id, and return what was done, by order id."""
    row = orders.c
    leased = select(owners.c.owner).where(owners.c.owner == row.owner, owners.c.alive_until > now).exists()
    found = {
        key: (state, is_leased)
        for key, state, is_leased in connection.execute(
            select(row.key, row.state, leased)
            .where(row.key.in_(keys.values()))
            .order_by(row.key)
            .with_for_update(of=orders)
        )
    }
    outcomes = {order_id: _outcome(*found.get(key, (None, None))) for order_id, key in keys.items()}
    removed = [keys[order_id] for order_id, outcome in outcomes.items() if outcome is Erasure.REMOVED]
    erased = [keys[order_id] for order_id, outcome in outcomes.items() if outcome is Erasure.ERASED]
    connection.execute(delete(orders).where(row.key.in_(removed)))
    connection.execute(
        update(orders)
        .where(row.key.in_(erased))
        .values(
            state=case((row.state == OrderState.SENT, OrderState.IN_DOUBT.value), else_=row.state),
            owner=None,
            body=None,
            tracking_url=None,
            error=None,
            updated_at=now,
        )
    )
    return outcomes


def _outcome(state: str | None, is_leased: object) -> Erasure:
    if state is None:
        return Erasure.UNKNOWN
    if is_leased:
        return Erasure.IN_FLIGHT
    return Erasure.REMOVED if state in {OrderState.PENDING, OrderState.FAILED} else Erasure.ERASED
