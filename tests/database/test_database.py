"""Opening databases: what is created, what is refused, and that one process does not disturb another."""

import asyncio
import importlib.util
import sqlite3
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select, text

from kaspi_delivery_async import ConfigurationError, StorageError
from kaspi_delivery_async._database import database, sqlite
from kaspi_delivery_async._database.database import Database, Schema
from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async._database.postgresql import CONNECTIONS

metadata = MetaData()
numbers = Table("numbers", metadata, Column("number", Integer, nullable=False))
SCHEMA = Schema(component="numbers", version=2, tables=metadata)


async def count(database: Database) -> int:
    return await database.read(lambda connection: connection.scalar(select(func.count()).select_from(numbers)) or 0)


async def write(database: Database) -> None:
    await database.write(add_number)


def add_number(connection: Connection) -> None:
    connection.execute(insert(numbers).values(number=1))


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/data/events.sqlite", Path("/data/events.sqlite")),
        (Path("/data/events.sqlite"), Path("/data/events.sqlite")),
        ("events.sqlite", Path.cwd() / "events.sqlite"),
        ("sqlite:///events.sqlite", Path.cwd() / "events.sqlite"),
        ("sqlite:////data/events.sqlite", Path("/data/events.sqlite")),
        ("sqlite+aiosqlite:////data/events.sqlite", Path("/data/events.sqlite")),
        ("postgresql://me:pw@host/db?sslmode=require", "postgresql://me:pw@host/db?sslmode=require"),
        ("postgres://host/db", "postgresql://host/db"),
        ("postgresql+asyncpg://host/db", "postgresql://host/db"),
        ("POSTGRESQL://host/db", "postgresql://host/db"),
    ],
)
def test_a_location_is_a_path_or_a_url(location: str | Path, place: str | Path) -> None:
    assert parse_location(location) == place


@pytest.mark.parametrize(
    "location",
    [
        "", ":memory:", "sqlite:///", "sqlite:///:memory:", "sqlite://events", "mysql://me:hunter2@host/db", "a\0b",
        "sqlite:////data/events.sqlite?mode=ro", "file:events.sqlite", b"events.sqlite",
    ],
)  # fmt: skip
def test_any_other_location_is_refused_without_repeating_it(location: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_location(location)

    assert "hunter2" not in str(caught.value)


async def test_tables_are_created_once_and_kept(location: str) -> None:
    for expected in (0, 1):
        database = await Database.open(location, SCHEMA)
        assert await count(database) == expected
        await write(database)
        await database.close()


async def test_components_share_a_database(location: str) -> None:
    other = MetaData()
    Table("others", other, Column("number", Integer))
    first = await Database.open(location, SCHEMA)
    second = await Database.open(location, Schema(component="others", version=1, tables=other))

    await write(first)

    assert await count(second) == 1
    await first.close()
    await second.close()


@pytest.mark.parametrize(("version", "age"), [(1, "a newer"), (3, "an older")])
async def test_tables_of_another_version_are_refused(location: str, version: int, age: str) -> None:
    await (await Database.open(location, SCHEMA)).close()

    with pytest.raises(ConfigurationError, match=f"have version 2, made by {age} kaspi-delivery-async"):
        await Database.open(location, Schema(component="numbers", version=version, tables=metadata))


def test_many_open_one_new_database_at_once(location: str) -> None:
    async def use() -> None:
        database = await Database.open(location, SCHEMA)
        await write(database)
        await database.close()

    async def result() -> int:
        database = await Database.open(location, SCHEMA)
        try:
            return await count(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: asyncio.run(use()), range(8)))
        assert pool.submit(asyncio.run, result()).result() == 8


async def test_closing_waits_for_what_is_in_progress_and_refuses_what_follows(location: str) -> None:
    """What began in spite of that would open a connection which nothing closes."""
    database = await Database.open(location, SCHEMA)
    writing = [asyncio.create_task(write(database)) for _ in range(8)]
    await asyncio.sleep(0)

    await database.close()

    assert all(task.done() for task in writing)
    await asyncio.gather(*writing)
    with pytest.raises(StorageError, match="was closed"):
        await write(database)


async def test_an_exception_rolls_back(location: str) -> None:
    database = await Database.open(location, SCHEMA)

    def fail(connection: Connection) -> None:
        add_number(connection)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(fail)

    assert await count(database) == 0
    await database.close()


async def test_a_cancelled_transaction_is_done_whole_or_not_at_all_and_frees_its_connection(location: str) -> None:
    database = await Database.open(location, SCHEMA)

    def add_two(connection: Connection) -> None:
        add_number(connection)
        add_number(connection)

    for steps in range(4 * CONNECTIONS):
        task = asyncio.create_task(database.write(add_two))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await count(database) % 2 == 0

    await write(database)
    assert await count(database) % 2 == 1
    await database.close()


async def test_a_transaction_whose_turn_does_not_come_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(tmp_path / "events.sqlite", SCHEMA)
    goes_on = threading.Event()
    first = asyncio.create_task(database.write(lambda _: goes_on.wait()))
    await asyncio.sleep(0)
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)
    with pytest.raises(StorageError, match="the transactions before take too long"):
        await write(database)
    goes_on.set()
    assert await first
    await write(database)
    assert await count(database) == 1
    await database.close()


async def test_a_refused_statement_is_a_storage_error_that_quotes_no_values(location: str) -> None:
    database = await Database.open(location, SCHEMA)
    statement = text("SELECT :secret FROM nowhere").bindparams(secret="hunter2")
    with pytest.raises(StorageError) as caught:
        await database.read(lambda connection: connection.execute(statement))

    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
    await database.close()


async def test_an_sqlite_file_is_its_owners_alone(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "new.sqlite", SCHEMA)
    await write(database)

    for name in ("new.sqlite", "new.sqlite-wal", "new.sqlite-shm"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    await database.close()


async def test_an_sqlite_file_that_others_may_read_is_taken_from_them(tmp_path: Path) -> None:
    path = tmp_path / "loose.sqlite"
    path.touch(mode=0o644)

    await (await Database.open(path, SCHEMA)).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (number)")
    before = (path.read_bytes(), path.stat().st_mode)

    with pytest.raises(ConfigurationError, match=r"other\.sqlite is the database of another program"):
        await Database.open(path, SCHEMA)

    assert (path.read_bytes(), path.stat().st_mode) == before


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("order,phone\n" * 100)

    with pytest.raises(ConfigurationError, match=r"orders\.csv cannot be used: file is not a database"):
        await Database.open(path, SCHEMA)


@pytest.mark.parametrize("name", ["missing/events.sqlite", "file/events.sqlite", "."])
async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="cannot be used"):
        await Database.open(tmp_path / name, SCHEMA)


async def test_a_locked_sqlite_file_is_a_storage_error_and_can_still_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.01)
    database = await Database.open(tmp_path / "events.sqlite", SCHEMA)
    with closing(sqlite3.connect(tmp_path / "events.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        assert await count(database) == 0
        with pytest.raises(StorageError, match="database is locked"):
            await write(database)
        with pytest.raises(StorageError, match="database is locked"):
            await Database.open(tmp_path / "events.sqlite", SCHEMA)

        other.execute("COMMIT")
    await write(database)
    await database.close()


async def test_a_file_that_others_are_opening_too_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.sqlite"
    await (await Database.open(path, SCHEMA)).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN")
        other.execute("SELECT * FROM numbers").fetchall()

        monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.02)
        with pytest.raises(StorageError, match="database is locked"):
            await Database.open(path, SCHEMA)

        monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 5.0)
        asyncio.get_running_loop().call_later(0.05, other.execute, "COMMIT")
        await (await Database.open(path, SCHEMA)).close()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/db", StorageError),
        ("postgresql://me:hunter2@127.0.0.1:port/db", ConfigurationError),
        ("postgresql://me:hunter2@127.0.0.1:1/db?sslmode=sometimes", ConfigurationError),
    ],
)
async def test_a_url_that_leads_nowhere_is_refused_without_its_password(
    url: str, error: type[ConfigurationError | StorageError]
) -> None:
    with pytest.raises(error) as caught:
        await Database.open(url, SCHEMA)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("change", [("/test_", "/missing_"), ("kaspi@", "nobody@")])
async def test_a_database_or_user_that_does_not_exist_has_to_be_put_right(
    postgresql_url: str, change: tuple[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="SQLSTATE"):
        await Database.open(postgresql_url.replace(*change), SCHEMA)


async def test_a_server_that_refuses_encryption_is_a_storage_error(postgresql_url: str) -> None:
    with pytest.raises(StorageError):
        await Database.open(f"{postgresql_url}?sslmode=require", SCHEMA)


async def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(ConfigurationError, match=r'pip install "kaspi-delivery-async\[postgres\]"'):
        await Database.open("postgresql://host/db", SCHEMA)


def test_missing_sqlalchemy_is_named_with_its_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    spec = importlib.util.spec_from_file_location("database_without_sqlalchemy", database.__file__)
    assert spec is not None
    assert spec.loader is not None

    with pytest.raises(ConfigurationError, match=r'pip install "kaspi-delivery-async\[store\]"'):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


async def test_the_connections_of_a_loop_that_was_closed_can_be_let_go(location: str) -> None:
    database = await Database.open(location, SCHEMA)
    await database.write(lambda connection: connection.execute(insert(numbers).values(number=1)))
    database.abandon()

    again = await Database.open(location, SCHEMA)
    assert await again.read(lambda connection: connection.scalar(select(func.count()).select_from(numbers))) == 1
    await again.close()


async def test_a_connection_that_broke_is_opened_again(file: str) -> None:
    database = await Database.open(file, SCHEMA)
    with pytest.raises(StorageError):
        await database.read(lambda connection: connection.invalidate())

    assert await database.read(lambda connection: connection.scalar(select(func.count()).select_from(numbers))) == 0
    await database.close()
