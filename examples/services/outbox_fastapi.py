"""FastAPI and SQLAlchemy: an order and its courier in one transaction; a relay in the same process; webhooks.

    uvicorn outbox_fastapi:app

SHOP_DATABASE is a PostgreSQL URL or an SQLite file. With several workers each has a relay: none sends an order twice.
"""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException
from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kaspi_delivery_async import DeliveryClient, DeliveryRequest, InvalidRequestError, OutboxConflictError
from kaspi_delivery_async.models import from_dict
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxEntry
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("shop")
DATABASE = os.environ.get("SHOP_DATABASE", "shop.sqlite")
URL = (
    DATABASE.replace("postgresql://", "postgresql+asyncpg://")
    if "://" in DATABASE
    else f"sqlite+aiosqlite:///{DATABASE}"
)


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """An order of the shop."""

    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(32), default="paid")
    delivery_id: Mapped[str | None] = mapped_column(String(64))


engine = create_async_engine(URL)
new_session = async_sessionmaker(engine)
outbox = DeliveryOutbox(DATABASE)
inbox = WebhookInbox(
    WebhookVerifier([os.environ["KASPI_WEBHOOK_SECRET"]]),
    store=os.environ.get("KASPI_STORE", "events.sqlite"),
    handler=outbox.observe,
)


async def book(session: AsyncSession, entry: OutboxEntry) -> None:
    """Write down the result of an order: exactly once."""
    order = await session.get_one(Order, entry.order_id)
    order.state, order.delivery_id = entry.state, entry.delivery_id


async def follow(session: AsyncSession, entry: OutboxEntry) -> None:
    """Write down each status of a delivery: exactly once."""
    order = await session.get_one(Order, entry.order_id)
    order.state = entry.status or order.state
    logger.info("%s is %s", entry.order_id, entry.status)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Open everything with the application, and close it after its last request."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with DeliveryClient.from_env() as client, outbox, inbox, outbox.relay(client, book, follow):
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.mount("/webhooks", inbox.asgi)


@app.post("/orders", status_code=202)
async def create_order(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Take an order: with its courier, or not at all."""
    try:
        async with new_session.begin() as session:
            request = from_dict(DeliveryRequest, body)
            session.add(Order(id=request.external_order_id))
            entry = await outbox.enqueue(session, request)
    except (InvalidRequestError, OutboxConflictError) as error:
        raise HTTPException(422, str(error)) from None
    return {"order": entry.order_id, "state": entry.state}


@app.get("/orders/{order_id}")
async def show_order(order_id: str) -> dict[str, Any]:
    """Show an order of the shop."""
    async with new_session() as session:
        order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404)
    return {"order": order.id, "state": order.state, "delivery": order.delivery_id}
