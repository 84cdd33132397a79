"""What was deleted leaves the write-ahead log, at the latest when that is possible again."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import insert

from kaspi_delivery_async._database.database import Database
from tests.database.test_database import SCHEMA, numbers


async def test_a_log_that_cannot_be_emptied_now_keeps_nobody_from_closing(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    class FailingCursor(sqlite3.Cursor):
        def execute(self, sql: str, *parameters: Any) -> Any:
            if "wal_checkpoint" in sql:
                loop.call_soon_threadsafe(failed.set)
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *parameters)

    class Failing(sqlite3.Connection):
        def cursor(self, factory: Any = FailingCursor) -> Any:
            return super().cursor(factory)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Failing, **options))
    database = await Database.open(file, attrs.evolve(SCHEMA, erase_after=0.05))
    await database.write(lambda connection: connection.execute(insert(numbers).values(number=1)))
    async with asyncio.timeout(5):
        await failed.wait()
    await database.close()
    assert Path(file).exists()
