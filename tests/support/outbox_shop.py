"""A shop with orders of its own, in the database that its outbox is in."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from kaspi_delivery_async import DeliveryRequest
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxEntry, OutboxState
from tests.support.orders import order

TABLES = (
    "CREATE TABLE shop_orders (id VARCHAR(64) PRIMARY KEY)",
    "CREATE TABLE shop_results (id VARCHAR(64) PRIMARY KEY, state VARCHAR(16), delivery VARCHAR(64))",
    "CREATE TABLE shop_statuses (id VARCHAR(64), status VARCHAR(32), PRIMARY KEY (id, status))",
)


@attrs.define
class ShiftedClock:
    """This machine's time, and what was added to it."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@attrs.frozen
class Shop:
    """The shop's own engine, on which its orders are written."""

    engine: AsyncEngine
    location: str

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        async with AsyncSession(self.engine) as session, session.begin():
            yield session

    async def order(self, outbox: DeliveryOutbox, *order_ids: str, **settings: Any) -> list[OutboxEntry]:
        """Write orders and enqueue them, in one transaction."""
        async with self.transaction() as session:
            for order_id in order_ids:
                await session.execute(text("INSERT INTO shop_orders VALUES (:id)"), {"id": order_id})
            return [await outbox.enqueue(session, order(order_id), **settings) for order_id in order_ids]

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]

    async def execute(self, statement: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement))


@asynccontextmanager
async def shop_at(location: str) -> AsyncGenerator[Shop]:
    engine = create_async_engine(async_url(location))
    try:
        async with engine.begin() as connection:
            for statement in TABLES:
                await connection.execute(text(statement))
        yield Shop(engine, location)
    finally:
        await engine.dispose()


def async_url(location: str) -> str:
    if location.startswith("postgresql://"):
        return location.replace("postgresql://", "postgresql+asyncpg://")
    return f"sqlite+aiosqlite:///{location}"


def sync_engine(location: str) -> Engine:
    if location.startswith("postgresql://"):
        return create_engine(location.replace("postgresql://", "postgresql+psycopg://"))
    return create_engine(f"sqlite:///{location}")


async def book(session: AsyncSession, entry: OutboxEntry) -> None:
    """Write down a result: twice is an error."""
    await session.execute(
        text("INSERT INTO shop_results VALUES (:id, :state, :delivery)"),
        {"id": entry.order_id, "state": entry.state.value, "delivery": entry.delivery_id},
    )


async def follow(session: AsyncSession, entry: OutboxEntry) -> None:
    """Write down a status: twice is an error."""
    await session.execute(
        text("INSERT INTO shop_statuses VALUES (:id, :status)"), {"id": entry.order_id, "status": entry.status}
    )


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for what a relay does."""
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.01)


async def until_state(outbox: DeliveryOutbox, order_id: str, state: OutboxState) -> OutboxEntry:
    found: list[OutboxEntry] = []

    async def reached() -> bool:
        entry = await outbox.find(order_id)
        found[:] = [entry] if entry else []
        return entry is not None and entry.state is state

    await until(reached)
    return found[0]


def tables(connection: Connection) -> set[str]:
    return set(connection.dialect.get_table_names(connection))


def other_content(order_id: str) -> DeliveryRequest:
    request = order(order_id)
    return attrs.evolve(request, parcel=attrs.evolve(request.parcel, weight_grams=request.parcel.weight_grams + 1))
