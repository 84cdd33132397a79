"""Connections to PostgreSQL that end, are refused, or must not prepare statements."""

import asyncio
import gc

import pytest
from sqlalchemy import Connection, text

from kaspi_delivery_async import StorageError
from kaspi_delivery_async._database import postgresql
from kaspi_delivery_async._database.database import Database
from tests.database.test_database import SCHEMA


def failing_once(state: str, calls: list[str]) -> object:
    def work(connection: Connection) -> int:
        calls.append(state)
        if len(calls) == 1:
            connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"))
        return connection.scalar(text("SELECT 7")) or 0

    return work


def sleep(connection: Connection) -> None:
    connection.execute(text("SELECT pg_sleep(0.1)"))


@pytest.mark.parametrize("state", ["40001", "40P01", "25006"])
async def test_a_transaction_that_did_nothing_is_tried_once_more(postgresql_url: str, state: str) -> None:
    calls: list[str] = []
    database = await Database.open(postgresql_url, SCHEMA)
    # Two connections, of which the one that is not in use is as old as the one that fails.
    await asyncio.gather(
        *(database.read(lambda connection: connection.scalar(text("SELECT pg_sleep(0.1)"))) for _ in range(2))
    )

    assert await database.write(failing_once(state, calls)) == 7  # type: ignore[arg-type]

    assert len(calls) == 2
    await database.close()


async def test_a_transaction_has_a_time_limit(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    database = await Database.open(postgresql_url, SCHEMA)
    monkeypatch.setattr(postgresql, "TRANSACTION_LIMIT", 0.2)

    with pytest.raises(StorageError, match="did not respond within"):
        await database.read(lambda connection: connection.scalar(text("SELECT pg_sleep(20)")))

    monkeypatch.undo()
    assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
    await database.close()


@pytest.mark.parametrize("size", [0, 10])
async def test_statements_need_not_be_kept(postgresql_url: str, size: int) -> None:
    database = await Database.open(f"{postgresql_url}?statement_cache_size={size}", SCHEMA)

    assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
    await database.close()


async def test_a_server_that_is_not_there_is_a_failure_that_may_end(postgresql_url: str) -> None:
    with pytest.raises(StorageError):
        await Database.open("postgresql://kaspi@127.0.0.1:1/postgres", SCHEMA)


async def test_a_transaction_that_is_cancelled_again_and_again_leaves_no_connection_behind(postgresql_url: str) -> None:
    """As at the end of `asyncio.run`, which cancels every task, after a service has cancelled its own."""
    database = await Database.open(postgresql_url, SCHEMA)
    running = asyncio.create_task(database.read(lambda connection: connection.execute(text("SELECT pg_sleep(30)"))))
    await asyncio.sleep(0.1)
    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    await database.close()

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    gc.collect()  # a connection that is collected warns
