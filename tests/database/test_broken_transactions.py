"""Transactions whose connection breaks, whose server is slow or changes its mind, or whose disk is full."""

import resource
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import Connection, text

from kaspi_delivery_async import ConfigurationError, StorageError
from kaspi_delivery_async._database import postgresql
from kaspi_delivery_async._database.database import Database, Schema
from tests.database.test_database import SCHEMA, add_number, count, metadata, write

SCHEMA_THAT_ERASES = Schema(component="numbers", version=2, tables=metadata, erase_after=60.0)


async def test_an_sqlite_connection_that_broke_is_replaced(file: str) -> None:
    database = await Database.open(file, SCHEMA)

    def break_it(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.close()
        for number in range(20):
            Path(f"{file}.{number}").touch()  # these take the inodes of the log that went with the connection
        add_number(connection)

    with pytest.raises(StorageError, match="closed"):
        await database.write(break_it)
    await write(database)

    assert await count(database) == 1
    await database.close()


async def test_an_sqlite_connection_that_broke_while_its_file_was_replaced_is_not_opened_to_the_other(
    file: str, tmp_path: Path
) -> None:
    database, other = [await Database.open(path, SCHEMA) for path in (file, tmp_path / "other.sqlite")]
    await other.close()

    def break_it(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.close()
        (tmp_path / "other.sqlite").replace(file)
        add_number(connection)

    with pytest.raises(StorageError, match="closed"):
        await database.write(break_it)
    with pytest.raises(StorageError, match="deleted or replaced"):
        await write(database)

    await database.close()


async def test_an_sqlite_connection_that_cannot_be_set_up_is_closed(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await Database.open(file, SCHEMA)).close()
    connect, opened = sqlite3.connect, list[sqlite3.Connection]()

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *_: Any) -> sqlite3.Cursor:
            if "secure_delete" in sql:
                failure = sqlite3.OperationalError("disk I/O error")
                failure.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise failure
            return super().execute(sql, *_)

    def failing(*arguments: Any, **options: Any) -> sqlite3.Connection:
        if "check_same_thread" not in options:  # it only looks at the file
            return connect(*arguments, **options)  # type: ignore[no-any-return]
        opened.append(connect(*arguments, **options, factory=Failing))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", failing)

    with pytest.raises(StorageError, match="disk I/O error"):
        await Database.open(file, SCHEMA)

    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.cursor()


async def test_an_sqlite_file_that_cannot_be_opened_any_more_can_be_closed(file: str) -> None:
    database = await Database.open(file, SCHEMA_THAT_ERASES)
    await database.write(add_number)

    def break_it(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.close()

    with pytest.raises(StorageError, match="closed"):
        await database.read(break_it)
    Path(file).unlink()

    await database.close()


async def test_a_full_disk_keeps_no_sqlite_file_from_closing(file: str) -> None:
    database = await Database.open(file, SCHEMA_THAT_ERASES)
    await database.write(add_number)
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        await database.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    again = await Database.open(file, SCHEMA)
    assert await count(again) == 1
    await again.close()


async def test_a_transaction_on_postgresql_that_takes_too_long_is_a_storage_error(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(postgresql_url, SCHEMA)
    monkeypatch.setattr(postgresql, "TRANSACTION_LIMIT", 0.1)
    with pytest.raises(StorageError, match=r"did not respond within 0\.1 s"):
        await database.write(lambda connection: connection.execute(text("SELECT pg_sleep(5)")))
    await database.close()


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_transaction_that_lost_to_another_is_run_once_more(postgresql_url: str, state: str) -> None:
    database = await Database.open(postgresql_url, SCHEMA)
    runs: list[int] = []

    def lose_once(connection: Connection) -> None:
        add_number(connection)
        runs.append(1)
        if len(runs) == 1:
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")

    await database.write(lose_once)

    assert (len(runs), await count(database)) == (2, 1)
    await database.close()


async def test_a_server_elsewhere_without_tls_is_sent_no_password(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    parts = urlsplit(postgresql_url)
    # This machine, by an address that is not known to be its own.
    elsewhere = urlunsplit(parts._replace(netloc=f"kaspi:hunter2@0.0.0.0:{parts.port}"))

    with pytest.raises(ConfigurationError, match="does not offer TLS") as caught:
        await Database.open(elsewhere, SCHEMA)

    assert "hunter2" not in str(caught.value)
