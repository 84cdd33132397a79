"""Keeps the sandbox's state over restarts, in an SQLite file or not at all."""

import sqlite3
from pathlib import Path
from typing import Any

import attrs
import orjson

from kaspi_delivery_async.sandbox.state import state_file
from kaspi_delivery_async.sandbox.state.idempotency_keys import StoredResponse
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord, Event, PendingEvent, StatusEntry

_SAVE_DELIVERY = """
INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET history = excluded.history
"""


class StorageError(Exception):
    """The state cannot be written at present; what was to be written is tried again with the next change."""


@attrs.frozen(kw_only=True)
class SavedState:
    """What was kept."""

    deliveries: tuple[DeliveryRecord, ...] = ()
    keys: tuple[StoredResponse, ...] = ()
    events: tuple[PendingEvent, ...] = ()
    created: int = 0
    """How many deliveries were ever created, those before a reset included."""
    test_events: int = 0
    """How many test events were ever sent."""
    now: float | None = None
    """What the sandbox clock showed at the end."""


class Storage:
    """Keeps nothing: the state lives and dies with the process."""

    def load(self) -> SavedState:
        """Return what was kept."""
        return SavedState()

    def save_delivery(self, record: DeliveryRecord) -> None:
        """Keep the newest version of a delivery."""

    def save_key(self, stored: StoredResponse) -> None:
        """Keep the response given under a key."""

    def save_event(self, pending: PendingEvent) -> None:
        """Keep an event until a receiver accepts it."""

    def forget_event(self, event_id: str) -> None:
        """Drop an event that is done with."""

    def save_count(self, name: str, count: int) -> None:
        """Keep how many ids of a kind were given."""

    def commit(self, now: float) -> None:
        """Make everything saved since the last time durable at once, with the time it is."""

    def clear(self) -> None:
        """Drop everything but the counts of ids."""

    def close(self) -> None:
        """Let go of the file."""


class SqliteStorage(Storage):
    """Keeps the state in a file that only its owner can read: orders hold phones and addresses.

    A commit survives the end of the process, even by ``SIGKILL``; it does not wait for the disk.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; `load` opens it or makes it."""
        self._path = path
        self._file: state_file.StateFile | None = None
        self._unsaved: list[tuple[str, tuple[object, ...]]] = []
        """Statements since the last commit. They outlast a commit that fails, so that the next one catches up."""

    def load(self) -> SavedState:
        """Open the file or make it, and return what was kept.

        Raises:
            ValueError: It is no state file of this version of the sandbox, or another sandbox uses it.
            OSError: It cannot be read or written.

        """
        self._file = state_file.open_state_file(self._path)
        try:
            return _read(self._file.database)
        except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            self.close()
            raise state_file.unusable(self._path, error) from None

    def save_delivery(self, record: DeliveryRecord) -> None:
        """Keep the newest version of a delivery."""
        history = orjson.dumps([attrs.asdict(entry) for entry in record.history])
        row = (
            record.delivery_id, record.external_order_id, record.idempotency_key, record.pickup_by, record.deliver_by,
            record.request_json, history,
        )  # fmt: skip
        self._unsaved.append((_SAVE_DELIVERY, row))

    def save_key(self, stored: StoredResponse) -> None:
        """Keep the response given under a key."""
        row = (stored.owner, stored.key, stored.fingerprint, stored.status, stored.body, stored.at)
        self._unsaved.append(("REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?)", row))

    def save_event(self, pending: PendingEvent) -> None:
        """Keep an event until a receiver accepts it."""
        row = (pending.event.event_id, orjson.dumps(attrs.asdict(pending)))
        self._unsaved.append(("REPLACE INTO events VALUES (?, ?)", row))

    def forget_event(self, event_id: str) -> None:
        """Drop an event that is done with."""
        self._unsaved.append(("DELETE FROM events WHERE id = ?", (event_id,)))

    def save_count(self, name: str, count: int) -> None:
        """Keep how many ids of a kind were given."""
        self._unsaved.append(("REPLACE INTO counters VALUES (?, ?)", (name, count)))

    def commit(self, now: float) -> None:
        """Make everything saved since the last time durable at once, with the time it is.

        Raises:
            StorageError: The file cannot be written, such as on a full disk.

        """
        if self._file is None:
            raise RuntimeError("the state file is open only while the sandbox runs")
        try:
            with self._file.database as database:
                for statement, row in self._unsaved:
                    database.execute(statement, row)
                database.execute("REPLACE INTO counters VALUES ('now', ?)", (now,))
        except sqlite3.Error as error:
            raise StorageError(f"state_file: {self._path} cannot be written ({error})") from None
        self._unsaved.clear()

    def clear(self) -> None:
        """Drop everything but the counts of ids."""
        counts = [change for change in self._unsaved if "counters" in change[0]]
        self._unsaved = [("DELETE FROM deliveries", ()), ("DELETE FROM keys", ()), ("DELETE FROM events", ()), *counts]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _read(database: sqlite3.Connection) -> SavedState:
    rows = database.execute
    counters: dict[str, float] = dict(rows("SELECT name, value FROM counters").fetchall())
    deliveries = tuple(
        DeliveryRecord(
            delivery_id=delivery_id, external_order_id=order_id, idempotency_key=key, pickup_by=pickup_by,
            deliver_by=deliver_by, request_json=request,
            history=tuple(StatusEntry(**entry) for entry in orjson.loads(history)),
        )
        for delivery_id, order_id, key, pickup_by, deliver_by, request, history
        in rows("SELECT * FROM deliveries ORDER BY rowid")
    )  # fmt: skip
    return SavedState(
        deliveries=deliveries,
        keys=tuple(
            StoredResponse(owner=owner, key=key, fingerprint=fingerprint, status=status, body=body, at=at)
            for owner, key, fingerprint, status, body, at in rows("SELECT * FROM keys ORDER BY at, rowid")
        ),
        events=tuple(_pending(orjson.loads(row[0])) for row in rows("SELECT pending FROM events ORDER BY rowid")),
        created=int(counters.get("created", len(deliveries))),
        test_events=int(counters.get("test_events", 0)),
        now=counters.get("now"),
    )


def _pending(saved: dict[str, Any]) -> PendingEvent:
    event = Event(**saved.pop("event"))
    return PendingEvent(event=event, **saved)
