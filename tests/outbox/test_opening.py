"""Opening an outbox: whose file it is, where its tables are, and what to do where they cannot be made."""

import asyncio
import pickle
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import MetaData, create_engine

from kaspi_delivery_async import ConfigurationError, InvalidRequestError, StorageError
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState
from tests.support.orders import order
from tests.support.outbox_shop import Shop, shop_at, sync_engine
from tests.support.postgresql import execute


async def test_the_shops_file_keeps_its_mode_and_its_journal_mode(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE shop_orders (id)")
    connection.close()
    path.chmod(0o664)
    async with DeliveryOutbox(path) as outbox:
        await outbox.status()

    assert path.stat().st_mode & 0o777 == 0o664
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


async def test_several_that_open_it_at_once_are_one_outbox(location: str) -> None:
    async with DeliveryOutbox(location) as first, DeliveryOutbox(location) as second:
        assert first._identity == second._identity
    outboxes = [DeliveryOutbox(location) for _ in range(3)]
    await asyncio.gather(*(outbox.__aenter__() for outbox in outboxes))
    await asyncio.gather(*(outbox.__aexit__(None, None, None) for outbox in outboxes))
    assert len({outbox._identity for outbox in outboxes}) == 1


async def test_missing_tables_are_an_error_that_says_what_to_do(location: str) -> None:
    async with shop_at(location) as shop:
        with pytest.raises(ConfigurationError) as caught:
            await DeliveryOutbox(location, create_tables=False).__aenter__()
        assert "tables are missing" in str(caught.value)
        assert "Alembic from `DeliveryOutbox.metadata`" in str(caught.value)

        engine = sync_engine(location)  # as Alembic does
        metadata: MetaData = DeliveryOutbox.metadata
        metadata.create_all(engine)
        engine.dispose()
        async with DeliveryOutbox(location, create_tables=False) as outbox:
            await shop.order(outbox, "order-1")


async def test_tables_of_another_version_are_an_error_that_says_what_to_do(shop: Shop, outbox: DeliveryOutbox) -> None:
    for version, age in ((2, "a newer"), (0, "an older")):
        await shop.execute(f"UPDATE kaspi_delivery_outbox_version SET version = {version}")
        with pytest.raises(ConfigurationError, match=f"have version {version}, made by {age}"):
            await DeliveryOutbox(shop.location).__aenter__()


async def test_an_outbox_that_is_not_open_says_so(location: str) -> None:
    with pytest.raises(ConfigurationError, match="the outbox is not open"):
        await DeliveryOutbox(location).status()


async def test_what_is_no_location_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        DeliveryOutbox("mysql://shop")
    with pytest.raises(ConfigurationError, match="SQLite has none"):
        await DeliveryOutbox(tmp_path / "shop.sqlite", schema="other").__aenter__()
    with pytest.raises(ConfigurationError, match="unable to open"):
        await DeliveryOutbox(tmp_path, create_tables=True).__aenter__()


def test_an_outbox_is_not_pickled(file: str) -> None:
    with pytest.raises(TypeError, match="make one in the process that uses it"):
        pickle.dumps(DeliveryOutbox(file))


async def test_a_file_that_was_replaced_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    async with DeliveryOutbox(path) as outbox:
        path.rename(tmp_path / "moved.sqlite")
        sqlite3.connect(path).close()
        with pytest.raises(StorageError, match="deleted or replaced"):
            await outbox.status()


async def test_the_tables_are_in_the_first_schema_of_the_search_path(postgresql_url: str) -> None:
    execute(postgresql_url, "CREATE SCHEMA other; CREATE SCHEMA third")
    location = f"{postgresql_url}?options={quote('-csearch_path=other,public')}"
    by_setting = f"{postgresql_url}?search_path=other,public"
    async with shop_at(postgresql_url) as shop:  # whose own search path is another one
        async with DeliveryOutbox(by_setting) as outbox:
            await shop.order(outbox, "order-1")
            assert await outbox.find("order-1") is not None
        assert len(await shop.rows("SELECT * FROM other.kaspi_delivery_outbox_entries")) == 1
        async with DeliveryOutbox(postgresql_url, schema="third") as outbox:
            assert await outbox.find("order-1") is None
            await shop.order(outbox, "order-2")
        assert len(await shop.rows("SELECT * FROM third.kaspi_delivery_outbox_entries")) == 1
    assert location


async def test_a_search_path_without_a_schema_is_an_error(postgresql_url: str) -> None:
    with pytest.raises(ConfigurationError, match="none of the schemas of its search_path"):
        await DeliveryOutbox(f"{postgresql_url}?search_path=missing").__aenter__()


async def test_a_session_of_a_schema_without_the_outbox_is_refused(postgresql_url: str) -> None:
    execute(postgresql_url, "CREATE SCHEMA other")
    async with shop_at(postgresql_url) as shop, DeliveryOutbox(postgresql_url, schema="other") as outbox:
        await shop.execute("DROP SCHEMA other CASCADE")
        with pytest.raises(ConfigurationError, match="on another database"):
            await shop.order(outbox, "order-1")


async def test_another_kind_of_database_is_refused(shop: Shop, outbox: DeliveryOutbox) -> None:
    engine = create_engine("sqlite://")
    engine.dialect.name = "mysql"
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="on another database"):
        outbox.enqueue_sync(connection, order())
    engine.dispose()


async def test_a_negative_age_is_not_pruned(outbox: DeliveryOutbox) -> None:
    with pytest.raises(InvalidRequestError, match="older_than"):
        await outbox.prune(-1)


async def test_any_number_of_entries_is_read_and_pruned(
    shop: Shop, outbox: DeliveryOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.outbox.outbox.PAGE", 2)
    orders = [f"order-{number}" for number in range(5)]
    await shop.order(outbox, *orders)
    await shop.execute("UPDATE kaspi_delivery_outbox_entries SET state = 'created'")

    assert [entry.order_id async for entry in outbox.entries()] == orders
    assert [entry.order_id async for entry in outbox.entries([OutboxState.PENDING])] == []
    assert await outbox.prune(0) == 5


async def test_a_caller_that_is_cancelled_leaves_no_lock_behind(tmp_path: Path) -> None:
    async with DeliveryOutbox(tmp_path / "shop.sqlite") as outbox:
        for turns in range(30):
            task = asyncio.create_task(outbox.prune(0))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await outbox.prune(0) == 0
        outbox._database.abandon()  # leaves the connections alone
        assert await outbox.prune(0) == 0
        task = asyncio.create_task(outbox.prune(0))
        while not outbox._database.file._running:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
