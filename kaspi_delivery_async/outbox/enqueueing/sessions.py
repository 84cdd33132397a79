"""Sessions and connections of the shop, of each library that is supported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.outbox.enqueueing.insertion import not_a_transaction
from kaspi_delivery_async.outbox.enqueueing.sqlalchemy_transaction import SqlalchemyTransaction, connection_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspi_delivery_async.outbox.enqueueing.insertion import ShopTransaction

T = TypeVar("T")

AsyncTransaction = AsyncSession | AsyncConnection | async_scoped_session[AsyncSession]
"""A session or connection of SQLAlchemy's asyncio extension."""

SyncTransaction = Session | Connection | scoped_session[Session]
"""A session or connection of SQLAlchemy."""


async def run_in(given: AsyncTransaction, schema: str | None, work: Callable[[ShopTransaction], T]) -> T:
    """Run ``work`` in the transaction of an asynchronous session or connection."""
    session = given() if isinstance(given, async_scoped_session) else given
    if not isinstance(session, AsyncSession | AsyncConnection):
        raise ConfigurationError(
            f"expected an AsyncSession or AsyncConnection of SQLAlchemy, got {type(given).__name__}; `enqueue_sync` "
            "takes synchronous ones"
        )
    if isinstance(session, AsyncConnection) and (session.sync_connection is None or session.closed):
        raise not_a_transaction("the connection is closed")

    def run(sync: Session | Connection) -> T:
        return work(SqlalchemyTransaction(connection_of(sync), schema))

    return await session.run_sync(run)


def transaction_of(given: Any, schema: str | None) -> ShopTransaction:
    """Return the transaction of a synchronous session or connection, or of Django's connection."""
    kind = type(given).__name__
    if isinstance(given, scoped_session):
        given = cast("scoped_session[Session]", given)()
    if isinstance(given, Session | Connection):
        return SqlalchemyTransaction(connection_of(given), schema)
    if hasattr(given, "in_atomic_block"):
        from kaspi_delivery_async.outbox.enqueueing.django_transaction import DjangoTransaction

        return DjangoTransaction(given, schema)
    raise ConfigurationError(f"expected a Session or Connection of SQLAlchemy, or django.db.connection, got {kind}")
