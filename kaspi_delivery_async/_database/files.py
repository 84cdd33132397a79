"""Database files on disk: a regular file that is ours alone, and that is still the one at its path."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_COMPANIONS = ("", "-wal", "-shm")
"""What SQLite appends to a file's name for its write-ahead log and the index of that."""


class FileLostError(OSError):
    """The file at a path is no longer the one that was opened."""


def create_file(path: Path) -> None:
    """Create a file (mode 0600), or make sure that what is there is a regular file of this process's user.

    Raises `ConfigurationError` for anything else, before it is opened or changed.
    """
    # An existing file is not opened here: closing it would drop the locks that SQLite has on it in this process.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return
    for name in _companions(path):
        with suppress(FileNotFoundError):
            _check_owner(name)


def take_over(path: Path) -> None:
    """Let nobody else read or write an open file, its log and the index of that."""
    for name in _companions(path):
        with suppress(FileNotFoundError):
            _check_owner(name)
            if name.stat().st_mode & 0o077:
                name.chmod(0o600)


def file_identity(path: Path) -> list[tuple[int, int] | None]:
    """Return the identity of the file at a path and of its companions, which other files at the path do not share."""
    return [_device_and_inode(f"{path}{suffix}") for suffix in _COMPANIONS]


def _device_and_inode(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - it is called for each transaction, and `Path` takes thrice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _companions(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{suffix}") for suffix in _COMPANIONS]


def _check_owner(path: Path) -> None:
    # The owner of the file can read what is written to it; the owner of the link chose the file.
    link, file = path.lstat(), path.stat()
    if not stat.S_ISREG(file.st_mode):
        raise ConfigurationError(f"{path} cannot be used: it is not a regular file; name one, or a path without a file")
    if hasattr(os, "geteuid"):
        user = os.geteuid()
        if file.st_uid != user or link.st_uid not in {user, 0}:
            raise ConfigurationError(
                f"{path} cannot be used: it belongs to another user, who could read what is stored there; "
                "name a file of your own, in a folder that only you can write to"
            )
