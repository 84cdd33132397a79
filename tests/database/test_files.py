"""The file of a database: whose it may be, what it may be, and that a lost one is noticed."""

import asyncio
import logging
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, delete, insert, select

from kaspi_delivery_async import ConfigurationError, StorageError
from kaspi_delivery_async._database import files, sqlite
from kaspi_delivery_async._database.database import Database, Schema

metadata = MetaData()
notes = Table("notes", metadata, Column("number", Integer, primary_key=True), Column("text", Text, nullable=False))
SCHEMA = Schema(component="notes", version=1, tables=metadata)
PHONE = "+7 701 555 11 22"


async def note(database: Database, text: str = "") -> None:
    await database.write(lambda connection: connection.execute(insert(notes).values(text=text)))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def remove(path: Path) -> None:
    for name in path.parent.glob(f"{path.name}*"):
        name.unlink()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def remove_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


@pytest.mark.parametrize("lose", [remove, replace, remove_log])
async def test_a_file_that_is_no_longer_at_its_path_is_not_written_to(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    path = tmp_path / "run.sqlite"
    database = await Database.open(path, SCHEMA)
    await note(database)
    assert not database.is_lost

    lose(path)

    for _ in range(2):
        with pytest.raises(StorageError, match=r"run\.sqlite cannot be used: the file was deleted or replaced"):
            await note(database)
    assert database.is_lost
    await database.close()


async def test_a_file_that_was_gone_for_a_while_is_not_used_again(tmp_path: Path) -> None:
    """Another process may have made another one meanwhile, and written to it."""
    path = tmp_path / "run.sqlite"
    database = await Database.open(path, SCHEMA)
    await note(database)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    files_of_it = [*tmp_path.glob("run.sqlite*")]
    for file in files_of_it:
        file.rename(elsewhere / file.name)
    with pytest.raises(StorageError):
        await note(database)
    for file in files_of_it:
        (elsewhere / file.name).rename(file)

    with pytest.raises(StorageError, match="deleted or replaced"):
        await note(database)
    await database.close()


async def test_a_file_that_is_lost_during_a_transaction_fails_it(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    database = await Database.open(path, SCHEMA)

    with pytest.raises(StorageError, match="deleted or replaced"):
        await database.write(lambda _: remove(path))

    await database.close()


@pytest.mark.parametrize("kind", ["fifo", "folder", "link to a folder"])
async def test_what_is_no_regular_file_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run.sqlite"
    if kind == "fifo":
        os.mkfifo(path, 0o666)
    elif kind == "folder":
        path.mkdir(0o755)
    else:
        path.symlink_to(tmp_path)
    mode = path.stat().st_mode

    with pytest.raises(ConfigurationError, match="not a regular file"):
        await Database.open(path, SCHEMA)

    assert path.stat().st_mode == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices and gives files away")
async def test_a_device_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "node"
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    path.chmod(0o666)

    with pytest.raises(ConfigurationError, match="not a regular file"):
        await Database.open(path, SCHEMA)

    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert names(tmp_path) == ["node"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices and gives files away")
@pytest.mark.parametrize("planted", ["run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "link", "target"])
async def test_a_file_that_another_user_has_planted_is_refused(tmp_path: Path, planted: str) -> None:
    path = tmp_path / "run.sqlite"
    if planted in {"link", "target"}:
        (tmp_path / "file").touch(0o600)
        path.symlink_to(tmp_path / "file")
        os.chown(path, 4711, 4711, follow_symlinks=planted == "target")
    else:
        path.touch(0o600)
        (tmp_path / planted).touch(0o666)
        os.chown(tmp_path / planted, 4711, 4711)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        await Database.open(path, SCHEMA)

    assert path.read_bytes() == b""


async def test_owners_are_not_compared_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.sqlite").touch()
    monkeypatch.delattr(os, "geteuid")

    await (await Database.open(tmp_path / "run.sqlite", SCHEMA)).close()


async def test_a_link_of_ones_own_to_a_file_of_ones_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    (tmp_path / "run.sqlite").symlink_to(tmp_path / "data")

    await (await Database.open(tmp_path / "run.sqlite", SCHEMA)).close()

    assert (tmp_path / "data").read_bytes().startswith(b"SQLite")


async def test_a_path_with_letters_that_urls_escape_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "run 100%#1?.sqlite"

    await (await Database.open(path, SCHEMA)).close()

    assert names(tmp_path) == [path.name]


async def test_rows_are_in_no_log(location: str, caplog: pytest.LogCaptureFixture) -> None:
    """Reading a row logs it at DEBUG, and `hide_parameters` hides only what is written."""
    caplog.set_level(logging.DEBUG, logger="sqlalchemy")
    database = await Database.open(location, SCHEMA)
    await note(database, PHONE)

    assert await database.read(lambda connection: connection.scalars(select(notes.c.text)).all()) == [PHONE]

    assert "INSERT INTO notes" in caplog.text
    assert PHONE not in caplog.text
    await database.close()


def stored(path: Path) -> bytes:
    return b"".join(name.read_bytes() for name in path.parent.iterdir())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_was_deleted_is_soon_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    database = await Database.open(path, Schema(component="n", version=1, tables=metadata, erase_after=0.05))
    await note(database, PHONE)
    await database.write(lambda connection: connection.execute(delete(notes)))
    assert PHONE.encode() in stored(path)

    await until(lambda: PHONE.encode() not in stored(path))

    await database.close()


async def test_what_was_deleted_is_erased_once_other_processes_let_it(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    schema = Schema(component="n", version=1, tables=metadata, erase_after=0.02)
    database, other = await Database.open(path, schema), await Database.open(path, SCHEMA)
    await note(database, PHONE)

    def read_slowly(connection: Connection) -> None:
        connection.execute(select(notes)).all()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.2), loop).result()

    loop = asyncio.get_running_loop()
    reading = asyncio.create_task(other.read(read_slowly))
    await asyncio.sleep(0.05)
    await database.write(lambda connection: connection.execute(delete(notes)))
    await reading

    await until(lambda: PHONE.encode() not in stored(path))

    await database.close()
    await other.close()


KILLED = f"""
import asyncio, os, signal, sys
from pathlib import Path
from tests.database.test_files import *

async def main():
    database = await Database.open(Path(sys.argv[1]), SCHEMA)
    await note(database, {PHONE!r})
    await database.write(lambda connection: connection.execute(delete(notes)))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["open", "closed"])
async def test_what_a_killed_process_had_deleted_is_erased_when_the_file_is_opened(tmp_path: Path, when: str) -> None:
    path = tmp_path / "data" / "run.sqlite"
    path.parent.mkdir()
    await (
        await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, path, cwd=Path(__file__).parents[2])
    ).wait()
    assert PHONE.encode() in stored(path)
    # With an hour, so that it is not the timer's doing.
    database = await Database.open(path, Schema(component="notes", version=1, tables=metadata, erase_after=3600.0))
    if when == "closed":
        await database.write(lambda connection: connection.execute(insert(notes).values(text="")))
        await database.close()

    assert PHONE.encode() not in stored(path)

    if when == "open":
        await database.close()


def test_a_lost_file_is_an_error_of_the_system() -> None:
    assert issubclass(files.FileLostError, sqlite.SqliteFile.failures)
