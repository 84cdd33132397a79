"""Enqueueing: an order and its courier are one transaction, and nothing else is accepted as one."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from kaspi_delivery_async import ConfigurationError, InvalidRequestError, Outcome, StorageError
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxConflictError, OutboxState
from kaspi_delivery_async.outbox.storage import shared_file
from tests.support.orders import PERSONAL, changed, order
from tests.support.outbox_shop import Shop, async_url, other_content, shop_at, sync_engine


async def test_an_order_that_is_committed_is_enqueued(shop: Shop, outbox: DeliveryOutbox) -> None:
    (entry,) = await shop.order(outbox, "order-1")

    assert await outbox.find("order-1") == entry
    assert (entry.order_id, entry.state, entry.idempotency_key) == ("order-1", OutboxState.PENDING, "order-1")
    assert (entry.attempts, entry.first_sent_at, entry.not_before, entry.error) == (0, None, None, None)
    assert abs(entry.enqueued_at - datetime.now(UTC)) < timedelta(seconds=60)


async def test_an_order_that_is_rolled_back_is_not_enqueued(shop: Shop, outbox: DeliveryOutbox) -> None:
    async with AsyncSession(shop.engine) as session:
        await outbox.enqueue(session, order("order-1"))
        await session.rollback()

    assert await outbox.find("order-1") is None


async def test_a_savepoint_that_is_rolled_back_takes_its_order_along_and_no_other(
    shop: Shop, outbox: DeliveryOutbox
) -> None:
    async with shop.transaction() as session:
        await outbox.enqueue(session, order("order-1"))
        savepoint = await session.begin_nested()
        await outbox.enqueue(session, order("order-2"))
        await savepoint.rollback()
        async with session.begin_nested():
            await outbox.enqueue(session, order("order-3"))

    assert [entry.order_id async for entry in outbox.entries()] == ["order-1", "order-3"]


async def test_the_same_order_is_enqueued_once(shop: Shop, outbox: DeliveryOutbox) -> None:
    (first,) = await shop.order(outbox, "order-1")
    async with shop.transaction() as session:
        second = await outbox.enqueue(session, order(" order-1 "), idempotency_key="another-key")
        await session.execute(text("INSERT INTO shop_orders VALUES ('another')"))

    assert second == first
    assert len(await shop.rows("SELECT * FROM shop_orders")) == 2  # the transaction stayed usable


@pytest.mark.parametrize("is_same_transaction", [True, False])
async def test_other_content_is_refused_and_the_transaction_stays_usable(
    shop: Shop, outbox: DeliveryOutbox, *, is_same_transaction: bool
) -> None:
    if not is_same_transaction:
        await shop.order(outbox, "order-1")
    async with shop.transaction() as session:
        if is_same_transaction:
            await outbox.enqueue(session, order("order-1"))
        with pytest.raises(OutboxConflictError, match="'order-1' with other content") as caught:
            await outbox.enqueue(session, other_content("order-1"))
        await outbox.enqueue(session, order("order-2"))

    assert caught.value.outcome is Outcome.NOT_SENT
    assert [entry.order_id async for entry in outbox.entries()] == ["order-1", "order-2"]


async def test_the_key_of_another_order_is_refused(shop: Shop, outbox: DeliveryOutbox) -> None:
    await shop.order(outbox, "order-1", idempotency_key="key-1")

    with pytest.raises(OutboxConflictError, match="belongs to another order of the outbox"):
        await shop.order(outbox, "order-2", idempotency_key="key-1")
    assert await shop.rows("SELECT * FROM shop_orders") == [("order-1",)]


async def test_a_request_that_create_delivery_refuses_is_refused_in_the_transaction(
    shop: Shop, outbox: DeliveryOutbox
) -> None:
    wrong = changed(order(), parcel=changed(order().parcel, weight_grams=0))
    async with shop.transaction() as session:
        with pytest.raises(InvalidRequestError, match=r"\$\.parcel\.weightGrams"):
            await outbox.enqueue(session, wrong)
        with pytest.raises(InvalidRequestError, match="idempotency_key"):
            await outbox.enqueue(session, order(), idempotency_key="with blanks")


@pytest.mark.parametrize("not_before", [datetime(2030, 1, 1), "2030-01-01"])
async def test_a_time_without_a_zone_is_refused(shop: Shop, outbox: DeliveryOutbox, not_before: datetime) -> None:
    with pytest.raises(InvalidRequestError, match="not_before: must be a datetime with its zone"):
        await shop.order(outbox, "order-1", not_before=not_before)


@pytest.mark.parametrize(
    "not_before",
    [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))],
)
async def test_a_time_that_is_none_in_utc_is_refused_before_anything_is_written(
    shop: Shop, outbox: DeliveryOutbox, not_before: datetime
) -> None:
    async with shop.transaction() as session:
        with pytest.raises(InvalidRequestError, match="not_before: must be within the years 1 to 9999 in UTC"):
            await outbox.enqueue(session, order("order-1"), not_before=not_before)

    assert await outbox.find("order-1") is None


async def test_an_order_for_later_says_when_it_may_leave(shop: Shop, outbox: DeliveryOutbox) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    (entry,) = await shop.order(outbox, "order-1", not_before=later)

    assert entry.not_before == later
    assert await outbox.find("order-1") == entry


async def test_a_cyrillic_order_id_has_a_key_that_a_header_carries(shop: Shop, outbox: DeliveryOutbox) -> None:
    (entry,) = await shop.order(outbox, "Заказ №7")

    assert entry.order_id == "Заказ №7"
    assert entry.idempotency_key.startswith("order-")
    assert await outbox.find("  Заказ №7") == entry


async def test_connections_and_scoped_sessions_are_accepted(shop: Shop, outbox: DeliveryOutbox) -> None:
    async with shop.engine.begin() as connection:
        await outbox.enqueue(connection, order("order-1"))
    scoped = async_scoped_session(async_sessionmaker(shop.engine), scopefunc=asyncio.current_task)
    async with scoped.begin():
        await outbox.enqueue(scoped, order("order-2"))
    await scoped.remove()

    assert [entry.order_id async for entry in outbox.entries()] == ["order-1", "order-2"]


async def test_sessions_that_autocommit_are_refused(shop: Shop, outbox: DeliveryOutbox) -> None:
    autocommitting = shop.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with AsyncSession(autocommitting) as session:
        with pytest.raises(ConfigurationError, match="autocommits: the order and its courier would not be one"):
            await outbox.enqueue(session, order())
    by_driver = create_async_engine(async_url(shop.location), isolation_level="AUTOCOMMIT")
    async with by_driver.connect() as connection:
        with pytest.raises(ConfigurationError, match="autocommits"):
            await outbox.enqueue(connection, order())
    await by_driver.dispose()

    assert await outbox.find("order-742") is None


async def test_sessions_that_are_closed_are_refused(shop: Shop, outbox: DeliveryOutbox) -> None:
    session = AsyncSession(shop.engine, close_resets_only=False)
    await session.close()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await outbox.enqueue(session, order())
    async with shop.engine.connect() as connection:
        pass
    with pytest.raises(ConfigurationError, match="closed"):
        await outbox.enqueue(connection, order())
    with pytest.raises(ConfigurationError, match="closed"):
        await outbox.withdraw(connection, "order-1")
    engine = sync_engine(shop.location)
    with engine.connect() as closed:
        pass
    with pytest.raises(ConfigurationError, match="closed"):
        outbox.enqueue_sync(closed, order())
    engine.dispose()


async def test_a_database_of_the_shops_that_is_down_is_an_error_without_its_password(outbox: DeliveryOutbox) -> None:
    engine = create_engine("postgresql+psycopg://shop:password@127.0.0.1:1/shop")
    with Session(engine) as session, pytest.raises(StorageError, match="the shop's database cannot be used") as caught:
        outbox.enqueue_sync(session, order())
    engine.dispose()
    assert "password" not in str(caught.value)


async def test_a_session_of_another_kind_is_refused_by_name(shop: Shop, outbox: DeliveryOutbox) -> None:
    with pytest.raises(ConfigurationError, match="got str; `enqueue_sync` takes synchronous ones"):
        await outbox.enqueue("session", order())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"or django\.db\.connection, got str"):
        outbox.enqueue_sync("session", order())


async def test_a_database_without_an_outbox_is_refused(outbox: DeliveryOutbox, tmp_path: object) -> None:
    async with shop_at(f"{tmp_path}/other.sqlite") as other:
        with pytest.raises(ConfigurationError, match="on another database"):
            await other.order(outbox, "order-1")
        assert await other.rows("SELECT * FROM shop_orders") == []


async def test_the_outbox_of_another_database_is_refused(outbox: DeliveryOutbox, tmp_path: object) -> None:
    async with (
        shop_at(f"{tmp_path}/other.sqlite") as other,
        DeliveryOutbox(other.location) as others_outbox,
    ):
        with pytest.raises(ConfigurationError, match="on another database"):
            await other.order(outbox, "order-1")
        async with other.transaction() as session:
            with pytest.raises(ConfigurationError, match="on another database"):
                await outbox.withdraw(session, "order-1")
        assert await others_outbox.find("order-1") is None


async def test_an_order_is_withdrawn_in_the_shops_transaction(shop: Shop, outbox: DeliveryOutbox) -> None:
    await shop.order(outbox, "order-1", "order-2")
    async with shop.transaction() as session:
        assert await outbox.withdraw(session, "order-1") is True
        assert await outbox.withdraw(session, "order-1") is True
        assert await outbox.withdraw(session, "unknown") is False
    async with AsyncSession(shop.engine) as session:
        assert await outbox.withdraw(session, "order-2") is True
        await session.rollback()

    states = {entry.order_id: entry.state async for entry in outbox.entries()}
    assert states == {"order-1": OutboxState.WITHDRAWN, "order-2": OutboxState.PENDING}
    assert await shop.rows("SELECT body FROM kaspi_delivery_outbox_entries WHERE order_id = 'order-1'") == [(None,)]


async def test_synchronous_sessions_enqueue_without_an_event_loop(shop: Shop, outbox: DeliveryOutbox) -> None:
    engine = sync_engine(shop.location)

    def work() -> None:
        unopened = DeliveryOutbox(shop.location)
        with Session(engine) as session, session.begin():
            unopened.enqueue_sync(session, order("order-1"))
        with engine.connect() as connection, connection.begin() as transaction:
            unopened.enqueue_sync(connection, order("order-2"))
            transaction.rollback()
        scoped = scoped_session(sessionmaker(engine))
        unopened.enqueue_sync(scoped, order("order-3"))
        scoped.commit()
        scoped.remove()
        autocommitting = engine.execution_options(isolation_level="AUTOCOMMIT")
        with Session(autocommitting) as session, pytest.raises(ConfigurationError, match="autocommits"):
            unopened.enqueue_sync(session, order("order-4"))
        engine.dispose()

    await asyncio.to_thread(work)
    assert [entry.order_id async for entry in outbox.entries()] == ["order-1", "order-3"]


async def test_an_outbox_that_was_not_entered_enqueues(shop: Shop, outbox: DeliveryOutbox) -> None:
    await shop.order(DeliveryOutbox(shop.location), "order-1")

    assert await outbox.find("order-1") is not None


async def test_tables_that_the_shops_own_transaction_keeps_from_being_made_are_an_error_that_says_what_to_do(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "BUSY_TIMEOUT", 0.05)
    async with shop_at(f"{tmp_path}/shop.sqlite") as shop:
        with pytest.raises(StorageError, match="tables are missing, and cannot be made now"):
            await shop.order(DeliveryOutbox(shop.location), "order-1")
        assert await shop.rows("SELECT * FROM shop_orders") == []


async def test_a_missing_database_is_an_error_of_the_synchronous_caller(tmp_path: object) -> None:
    outbox = DeliveryOutbox(f"{tmp_path}/missing.sqlite", create_tables=False)

    with pytest.raises(ConfigurationError, match="there is no file"):
        outbox.enqueue_sync(object(), order())


async def test_no_log_of_the_shops_engine_shows_personal_data(
    shop: Shop, outbox: DeliveryOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_async_engine(async_url(shop.location), echo=True)
    with caplog.at_level(logging.INFO):
        async with engine.begin() as connection:
            await outbox.enqueue(connection, order())
    await engine.dispose()

    assert "INSERT INTO" in caplog.text
    assert "(not shown)" in caplog.text
    assert not [personal for personal in PERSONAL if personal in caplog.text]


async def test_an_error_of_the_shops_database_shows_no_personal_data(shop: Shop, outbox: DeliveryOutbox) -> None:
    await shop.execute("ALTER TABLE kaspi_delivery_outbox_entries RENAME COLUMN fingerprint TO other")

    with pytest.raises(StorageError, match="the shop's database cannot be used") as caught:
        await shop.order(outbox, "order-1")
    assert not [personal for personal in PERSONAL if personal in str(caught.value)]
