"""Enqueueing and withdrawing over any connection: what is checked, what is written, and what a conflict means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from kaspi_delivery_async import operations
from kaspi_delivery_async._exactly_once.operations import fingerprint_of
from kaspi_delivery_async._wire.idempotency_keys import create_key
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError, OutboxConflictError
from kaspi_delivery_async.outbox.entries import OutboxEntry, OutboxState
from kaspi_delivery_async.outbox.storage import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable

    from kaspi_delivery_async.models import DeliveryRequest
    from kaspi_delivery_async.outbox.storage.database import Identity

_ENQUEUE = "enqueue"


class ShopTransaction(Protocol):
    """A transaction of the shop's own, in whichever library."""

    is_postgresql: bool

    def check(self) -> None:
        """Raise `ConfigurationError` unless what is written is committed with the shop's own rows, or not at all."""
        ...

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Mapping[Any, Any]]:
        """Execute a statement; raises `ConfigurationError` if there is no such table, and `StorageError`."""
        ...


class _Private(str):
    """A text that the logs of the shop's own engine, which print parameters, do not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(not shown)'"


@attrs.frozen(kw_only=True)
class Insertion:
    """An order that is ready to be enqueued; its key and bytes are fixed."""

    order_id: str
    order_key: str
    key: str
    body: bytes = attrs.field(repr=False)
    fingerprint: str
    not_before: float | None

    @classmethod
    def of(cls, request: DeliveryRequest, idempotency_key: str | None, not_before: datetime | None) -> Insertion:
        """Check a request as `create_delivery` does; raises `InvalidRequestError`."""
        operation = operations.create_delivery(request, idempotency_key)
        leaves_at = None if not_before is None else _checked_moment(not_before)
        order_id = canonical_order_id(request.external_order_id)
        # A create has both a key and a body.
        key, body = operation.idempotency_key or "", operation.body or b""
        return cls(
            order_id=order_id,
            order_key=create_key(order_id),
            key=key,
            body=body,
            fingerprint=fingerprint_of(body),
            not_before=leaves_at,
        )


def _checked_moment(not_before: datetime) -> float:
    """Return a time in Unix seconds; raises `InvalidRequestError` if it has no zone, or cannot be read back in UTC."""
    if not isinstance(not_before, datetime) or not_before.utcoffset() is None:
        raise InvalidRequestError(
            "not_before",
            "must be a datetime with its zone, such as datetime.now(UTC) + timedelta(hours=1)",
            operation=_ENQUEUE,
        )
    seconds = not_before.timestamp()
    try:
        datetime.fromtimestamp(seconds, UTC)
    except ValueError:  # rounded up, or moved to UTC, it is before the first year or after the last one
        raise InvalidRequestError(
            "not_before", "must be within the years 1 to 9999 in UTC", operation=_ENQUEUE
        ) from None
    return seconds


def enqueue(
    transaction: ShopTransaction, order: Insertion, *, identity: Identity, now: float | None, notifies: bool
) -> OutboxEntry:
    """Enqueue an order, or return the entry of the same order with the same content."""
    _check(transaction, identity)
    is_postgresql = transaction.is_postgresql
    parameters = {
        "order_key": order.order_key,
        "order_id": order.order_id,
        "idempotency_key": order.key,
        "fingerprint": order.fingerprint,
        "body": _Private(order.body.decode()),
        "not_before": order.not_before,
        "now": now,
        "outbox": identity.identity,
    }
    statement = statements.enqueue(is_postgresql=is_postgresql, notifies=notifies and is_postgresql)
    inserted = transaction.run(statement, parameters)
    if inserted:
        return _new_entry(order, enqueued_at=inserted[0]["enqueued_at"])
    _check_identity(transaction, identity)
    keys = {"order_key": order.order_key, "idempotency_key": order.key}
    known = transaction.run(statements.conflicting(), keys)
    for row in known:
        if row["order_key"] == order.order_key:
            if row["fingerprint"] == order.fingerprint:
                return OutboxEntry.of(row)
            raise OutboxConflictError(
                f"the outbox holds the order {order.order_id!r} with other content ({row['state']}); an order is sent "
                "once: withdraw it and enqueue the change under another order id, or cancel its delivery",
                operation=_ENQUEUE,
            )
    raise OutboxConflictError(
        "the idempotency key belongs to another order of the outbox; leave it out to have one derived from the order's "
        "id",
        operation=_ENQUEUE,
    )


def withdraw(transaction: ShopTransaction, order_id: str, *, identity: Identity, now: float | None) -> bool:
    """Withdraw an order of which nothing has left; return whether nothing of it ever leaves."""
    _check(transaction, identity)
    order_key = create_key(canonical_order_id(order_id))
    statement = statements.withdraw(is_postgresql=transaction.is_postgresql)
    if transaction.run(statement, {"b_key": order_key, "now": now, "outbox": identity.identity}):
        return True
    _check_identity(transaction, identity)
    known = transaction.run(statements.state_of(), {"order_key": order_key})
    return bool(known) and known[0]["state"] == OutboxState.WITHDRAWN


def _check(transaction: ShopTransaction, identity: Identity) -> None:
    transaction.check()
    if transaction.is_postgresql != (identity.schema is not None):
        raise other_database()


def _check_identity(transaction: ShopTransaction, identity: Identity) -> None:
    """Raise `ConfigurationError` unless the transaction is on the outbox's own database."""
    found = transaction.run(statements.identity(), {})
    if not found or found[0]["identity"] != identity.identity:
        raise other_database()


def other_database() -> ConfigurationError:
    """Return the error for a transaction on a database that does not hold this outbox."""
    return ConfigurationError(
        "the session is on another database than the outbox: give DeliveryOutbox the URL of the shop's own database "
        "(and its `schema`), or pass a session of the database that the outbox is in"
    )


def not_a_transaction(what: str) -> ConfigurationError:
    """Return the error for a session whose writes are not one transaction with the shop's own."""
    return ConfigurationError(
        f"{what}: the order and its courier would not be one transaction; pass a session or connection inside of a "
        "transaction, such as `async with session.begin():`"
    )


def _new_entry(order: Insertion, *, enqueued_at: float) -> OutboxEntry:
    return OutboxEntry(
        order_id=order.order_id,
        state=OutboxState.PENDING,
        idempotency_key=order.key,
        delivery_id=None,
        tracking_url=None,
        status=None,
        attempts=0,
        error=None,
        enqueued_at=enqueued_at,
        first_sent_at=None,
        updated_at=enqueued_at,
        not_before=order.not_before,
    )
