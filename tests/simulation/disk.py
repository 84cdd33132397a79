"""SQLite on a disk that is slow, full or locked, and that can fail at each statement."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.simulation.machine import PROCESS, Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.simulation.machine import Loop, Process

BUSY_TIMEOUT = 5.0
"""Seconds that SQLite waits for a lock."""

_WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


class Disk:
    """What happens to the statements of the shop's processes."""

    def __init__(self, loop: Loop) -> None:
        self.is_full = False
        self.slowness = 0.0
        """Seconds that each transaction takes longer."""
        self.locked_until = 0.0
        """Until when another program writes."""
        self.fails_at: int | None = None
        """How many statements from now one fails."""
        self.kills_at: int | None = None
        """How many statements from now the process that makes it is killed."""
        self.open: dict[sqlite3.Connection, Process | None] = {}
        self._loop = loop
        self._hop = loop.thread_delay
        loop.thread_delay = self._delay

    @contextmanager
    def instead_of_the_real_one(self) -> Generator[None]:
        """Have the package open its files here."""
        connect = sqlite3.connect

        def opened(database: Any, **options: Any) -> sqlite3.Connection:
            disk = self

            class Watched(_Connection):
                before: Callable[[str], None] = staticmethod(disk.before)

            connection = connect(database, **options, factory=Watched)
            connection.execute("PRAGMA synchronous = OFF")  # what survives a kill of the process is not in question
            connection.armed = True
            self.open[connection] = PROCESS.get()
            return connection

        with patch("sqlite3.connect", opened):
            yield

    def forget(self, process: Process) -> None:
        """Close what a process had open."""
        for connection in [one for one, owner in self.open.items() if owner is process]:
            connection.close()
            del self.open[connection]

    def left_open(self, process: Process) -> int:
        """Count the connections of a process that it has not closed."""
        left = 0
        for connection in [one for one, owner in self.open.items() if owner is process]:
            with suppress(sqlite3.ProgrammingError):
                connection.total_changes  # noqa: B018 - it raises for a closed one
                left += 1
        return left

    def before(self, statement: str) -> None:
        """Let a statement fail, or pass."""
        word = statement.lstrip()[:6].upper()
        if self.kills_at is not None:
            self.kills_at -= 1
            if self.kills_at < 0:
                self.kills_at = None
                raise Killed
        if self.fails_at is not None:
            self.fails_at -= 1
            if self.fails_at < 0:
                self.fails_at = None
                raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        if self._loop.now < self.locked_until and word == "BEGIN ":
            raise _error("database is locked", sqlite3.SQLITE_BUSY)
        if self.is_full and word.startswith(_WRITES):
            raise _error("database or disk is full", sqlite3.SQLITE_FULL)

    def _delay(self) -> float:
        locked = min(BUSY_TIMEOUT, max(0.0, self.locked_until - self._loop.now))
        return self._hop() + self.slowness + locked


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: Any = ()) -> _Cursor:
        connection: Any = self.connection
        if connection.armed:
            connection.before(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any) -> _Cursor:
        connection: Any = self.connection
        if connection.armed:
            connection.before(sql)
        return super().executemany(sql, parameters)


class _Connection(sqlite3.Connection):
    armed = False
    before: Callable[[str], None]

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        if self.armed and self.in_transaction:
            self.before("COMMIT")
        super().commit()


def _error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
