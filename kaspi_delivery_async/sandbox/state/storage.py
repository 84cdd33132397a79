"""Keeps the sandbox's state over restarts, in a SQLite file or not at all."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import attrs
import orjson

from kaspi_delivery_async.sandbox.http.messages import HttpResponse
from kaspi_delivery_async.sandbox.state.idempotency_keys import StoredResponse
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord, Event, PendingEvent, StatusEntry

_VERSION = 1
_TABLES = """
CREATE TABLE deliveries (id TEXT PRIMARY KEY, order_id TEXT, key TEXT, pickup_by REAL, deliver_by REAL, request BLOB,
                         history BLOB);
CREATE TABLE keys (api_key TEXT, key TEXT, fingerprint BLOB, status INTEGER, body BLOB, at REAL,
                   PRIMARY KEY (api_key, key));
CREATE TABLE events (id TEXT PRIMARY KEY, pending BLOB);
CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL);
"""


@attrs.frozen(kw_only=True)
class SavedState:
    """What was kept."""

    deliveries: tuple[DeliveryRecord, ...] = ()
    keys: tuple[StoredResponse, ...] = ()
    events: tuple[PendingEvent, ...] = ()
    test_events: int = 0
    """How many test events were sent."""
    now: float | None = None
    """What the sandbox clock showed at the end."""


class Storage:
    """Keeps nothing: the state lives and dies with the process."""

    def load(self) -> SavedState:
        """Give what was kept."""
        return SavedState()

    def save_delivery(self, record: DeliveryRecord) -> None:
        """Keep the newest version of a delivery."""

    def save_key(self, keyed: StoredResponse) -> None:
        """Keep the answer given under a key."""

    def save_event(self, pending: PendingEvent) -> None:
        """Keep an event until a receiver accepts it."""

    def forget_event(self, event_id: str) -> None:
        """Drop an event that is done with."""

    def save_test_events(self, count: int) -> None:
        """Keep how many test events were sent."""

    def commit(self, now: float) -> None:
        """Make everything saved since the last time durable at once, with the time it is."""

    def clear(self) -> None:
        """Drop everything."""

    def close(self) -> None:
        """Let go of the file."""


class SqliteStorage(Storage):
    """Keeps the state in a file that only its owner can read: orders hold phones and addresses.

    A commit survives the end of the process, even by ``SIGKILL``; it does not wait for the disk.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; `load` opens it or makes it."""
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def load(self) -> SavedState:
        """Open the file or make it, and give what was kept.

        Raises:
            ValueError: It is no state file of this version of the sandbox.
            OSError: It cannot be read or written.

        """
        self._connection = _open(self._path)
        rows = self._database.execute
        counters = dict(rows("SELECT name, value FROM counters").fetchall())
        return SavedState(
            deliveries=tuple(
                DeliveryRecord(
                    delivery_id=delivery_id, external_order_id=order_id, idempotency_key=key, pickup_by=pickup_by,
                    deliver_by=deliver_by, request_json=request,
                    history=tuple(StatusEntry(**entry) for entry in orjson.loads(history)),
                )
                for delivery_id, order_id, key, pickup_by, deliver_by, request, history
                in rows("SELECT * FROM deliveries ORDER BY rowid")
            ),
            keys=tuple(
                StoredResponse(
                    api_key=api_key, key=key, fingerprint=fingerprint, at=at,
                    answer=HttpResponse(status=status, body=body),
                )
                for api_key, key, fingerprint, status, body, at in rows("SELECT * FROM keys ORDER BY at, rowid")
            ),
            events=tuple(
                _pending(orjson.loads(row[0])) for row in rows("SELECT pending FROM events ORDER BY rowid")
            ),
            test_events=int(counters.get("test_events", 0)),
            now=counters.get("now"),
        )  # fmt: skip

    def save_delivery(self, record: DeliveryRecord) -> None:
        """Keep the newest version of a delivery."""
        history = orjson.dumps([attrs.asdict(entry) for entry in record.history])
        self._database.execute(
            "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET history = excluded.history",
            (record.delivery_id, record.external_order_id, record.idempotency_key, record.pickup_by, record.deliver_by,
             record.request_json, history),
        )  # fmt: skip

    def save_key(self, keyed: StoredResponse) -> None:
        """Keep the answer given under a key."""
        answer = keyed.answer
        row = (keyed.api_key, keyed.key, keyed.fingerprint, answer.status, answer.body, keyed.at)
        self._database.execute("REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)

    def save_event(self, pending: PendingEvent) -> None:
        """Keep an event until a receiver accepts it."""
        row = (pending.event.event_id, orjson.dumps(attrs.asdict(pending)))
        self._database.execute("REPLACE INTO events VALUES (?, ?)", row)

    def forget_event(self, event_id: str) -> None:
        """Drop an event that is done with."""
        self._database.execute("DELETE FROM events WHERE id = ?", (event_id,))

    def save_test_events(self, count: int) -> None:
        """Keep how many test events were sent."""
        self._database.execute("REPLACE INTO counters VALUES ('test_events', ?)", (count,))

    def commit(self, now: float) -> None:
        """Make everything saved since the last time durable at once, with the time it is."""
        self._database.execute("REPLACE INTO counters VALUES ('now', ?)", (now,))
        self._database.commit()

    def clear(self) -> None:
        """Drop everything."""
        for table in ("deliveries", "keys", "events", "counters"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand one line above
        self._database.commit()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the state file is open only while the sandbox runs")
        return self._connection


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path)
    try:
        _prepare(database)
    except (sqlite3.DatabaseError, ValueError) as error:
        database.close()
        raise ValueError(f"state_file: {path} is no state file of this sandbox ({error}); use a new file") from None
    return database


def _prepare(database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    tables = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables == 0:
        database.executescript(f"{_TABLES} PRAGMA user_version = {_VERSION};")
    elif version != _VERSION:
        raise ValueError(f"its version is {version}, not {_VERSION}")
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")


def _pending(saved: dict[str, Any]) -> PendingEvent:
    event = Event(**saved.pop("event"))
    return PendingEvent(event=event, **saved)
