"""The state file: who may read it, who uses it, and whether it is one."""

import os
import sqlite3
import stat
import sys
from contextlib import suppress
from pathlib import Path

import attrs

if sys.platform != "win32":  # pragma: no branch - Windows has no flock
    import fcntl

_VERSION = 1
_TABLES = """
CREATE TABLE deliveries (id TEXT PRIMARY KEY, order_id TEXT, key TEXT, pickup_by REAL, deliver_by REAL, request BLOB,
                         history BLOB);
CREATE TABLE keys (api_key TEXT, key TEXT, fingerprint BLOB, status INTEGER, body BLOB, at REAL,
                   PRIMARY KEY (api_key, key));
CREATE TABLE events (id TEXT PRIMARY KEY, pending BLOB);
CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL);
"""


@attrs.frozen
class StateFile:
    """An open state file, locked for this sandbox."""

    database: sqlite3.Connection
    descriptor: int
    """Holds the lock; the kernel releases it when the process ends, however it ends."""

    def close(self) -> None:
        """Close the file and let others have it."""
        self.database.close()
        os.close(self.descriptor)


def unusable(path: Path, why: object) -> ValueError:
    """Return the error of a file that cannot be used."""
    return ValueError(f"state_file: {path} is no state file of this sandbox ({why}); use a new file")


def open_state_file(path: Path) -> StateFile:
    """Open the file, or make it, for this sandbox and this user alone.

    Raises:
        ValueError: It is no regular file, belongs to another user, is used by another sandbox, or holds something else.
        OSError: It cannot be opened.

    """
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        _check(path, descriptor)
        database = sqlite3.connect(path)
        try:
            _prepare(path, descriptor, database)
        except (sqlite3.Error, ValueError) as error:
            database.close()
            raise unusable(path, error) from None
    except BaseException:
        os.close(descriptor)
        raise
    return StateFile(database, descriptor)


def _check(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise unusable(path, "it is no regular file")
    if sys.platform != "win32":  # pragma: no branch - Windows has neither owners nor flock
        if found.st_uid != os.geteuid():
            raise unusable(path, "it belongs to another user")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"state_file: {path} is in use by another sandbox; stop that one, or use another file"
            ) from None


def _prepare(path: Path, descriptor: int, database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    tables = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and version != _VERSION:
        raise ValueError(f"its version is {version}, not {_VERSION}")
    if sys.platform != "win32":  # pragma: no branch - Windows has no modes
        os.fchmod(descriptor, 0o600)
        for beside in ("-wal", "-shm"):  # as an earlier run left them; new ones get the mode of the file itself
            with suppress(FileNotFoundError):
                Path(f"{path}{beside}").chmod(0o600)
    database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;")
    if not tables:
        database.executescript(f"{_TABLES} PRAGMA user_version = {_VERSION};")
