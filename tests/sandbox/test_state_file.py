"""The state file: for one user and one sandbox, refused by name where it is not one, and never behind what it said."""

import asyncio
import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from kaspi_delivery_async.sandbox import Clock, Sandbox, StorageError
from tests.support.described_api import Caller, Elsewhere, Receiver, order


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.mark.parametrize("earlier", ["empty", "of an earlier run"])
async def test_a_file_that_others_could_read_is_closed_to_them(file: Path, earlier: str) -> None:
    if earlier == "empty":
        file.touch(0o644)
    else:
        async with Sandbox(state_file=file) as sandbox, Caller(sandbox) as call:
            await call.create()
        file.with_name("state.sqlite-wal").touch(0o644)
    file.chmod(0o644)
    async with Sandbox(state_file=file) as sandbox, Caller(sandbox) as call:
        await call.create()
        modes = {stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()}
    assert modes == {0o600}


async def test_a_second_sandbox_does_not_start_on_a_file_that_is_in_use(file: Path) -> None:
    async with Sandbox(state_file=file):
        with pytest.raises(ValueError, match=f"state_file: {file} is in use by another sandbox"):
            await Sandbox(state_file=file).start()
    async with Sandbox(state_file=file):
        pass


def fifo(file: Path) -> None:
    os.mkfifo(file)


def other_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA user_version = 1")
        database.execute("CREATE TABLE theirs (x)")


def broken_rows(file: Path) -> None:
    asyncio.run(started_once(file))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("INSERT INTO deliveries VALUES ('dlv_1', 'o', NULL, 0, 0, x'7b7d', '[{}]')")


async def started_once(file: Path) -> None:
    async with Sandbox(state_file=file):
        pass


@pytest.mark.parametrize("make", [fifo, other_tables, broken_rows])
def test_what_is_no_state_file_is_refused_by_name(file: Path, make: object) -> None:
    assert callable(make)
    make(file)
    with pytest.raises(ValueError, match=f"state_file: {file} is no state file of this sandbox"):
        asyncio.run(started_once(file))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(file: Path) -> None:
    file.touch()
    os.chown(file, 65534, 65534)
    with pytest.raises(ValueError, match="belongs to another user"):
        asyncio.run(started_once(file))


async def test_a_move_of_the_clock_and_the_ids_of_before_a_reset_outlast_a_kill(file: Path) -> None:
    """The first sandbox is never stopped, as after ``kill -9``: what it wrote is copied away."""
    copy = file.with_name("copy.sqlite")
    async with Sandbox(clock=Clock.driven(), seed=7, state_file=file) as sandbox, Caller(sandbox) as call:
        first = await call.create()
        await sandbox.reset()
        await sandbox.clock.advance(3600)
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").write_bytes(Path(f"{file}{suffix}").read_bytes())
        now = sandbox.clock.now()
    async with Sandbox(clock=Clock.driven(), seed=7, state_file=copy) as sandbox, Caller(sandbox) as call:
        assert sandbox.clock.now() == now
        assert await call.create() != first


async def test_the_time_that_is_shown_is_kept_first(file: Path) -> None:
    """A microsecond is a second of this clock, so it shows which of the two is done first."""
    async with Sandbox(clock=Clock.sped_up(1e6), state_file=file) as sandbox, Caller(sandbox) as call:
        shown = (await call.control("GET", "/time")).json["unix"]
        with closing(sqlite3.connect(file)) as database:
            ((kept,),) = database.execute("SELECT value FROM counters WHERE name = 'now'")
    assert kept >= shown


@contextmanager
def full_disk(file: Path) -> Generator[None]:
    """Let no file of this process grow beyond what the state takes now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = max(each.stat().st_size for each in file.parent.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_a_503_while_it_lasts_and_nothing_that_was_acknowledged_is_lost(file: Path) -> None:
    async with (
        Receiver() as receiver,
        Sandbox(state_file=file, webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        before = await call.create(key="before")
        with full_disk(file):
            refused = await call("POST", "/v1/deliveries", key="order-742", json=order())
            moved = await call.control("POST", f"/deliveries/{before}/advance", json={"status": "accepted"})
            with pytest.raises(StorageError):
                await sandbox.reset()
            await sandbox.drain_webhooks()
            assert (await call.control("GET", "/time")).status == 200
        assert (refused.status, moved.status) == (503, 503)
        assert refused.json["code"] == "unavailable"
        after = await call.create(key="order-742")
    async with Sandbox(state_file=file) as sandbox:
        assert list(sandbox.deliveries) == [after]


SERVE = """
import asyncio, sys
from kaspi_delivery_async.sandbox import Clock, Sandbox
async def main():
    async with Sandbox(state_file=sys.argv[1], seed=7, clock=Clock.sped_up(600)) as sandbox:
        print(sandbox.root_url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def killed_under_load(file: Path, seconds: float, known: dict[str, str], number: int, before: float) -> float:
    """Serve, create until the process is killed, and return the newest time that it showed; none is from ``before``."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, file, stdout=subprocess.PIPE)
    assert process.stdout is not None
    root_url = (await process.stdout.readline()).decode().strip()
    shown = before

    async def create(call: Caller, worker: int) -> None:
        nonlocal shown
        turn = 0
        while True:
            turn += 1
            key = f"order-{number}-{worker}-{turn}"
            reply = await call("POST", "/v1/deliveries", key=key, json=order(externalOrderId=key), check=False)
            known[key] = reply.delivery_id
            now = (await call.control("GET", "/time")).json["unix"]
            assert now >= before
            shown = max(shown, now)

    async with Caller(Elsewhere(api_key="sandbox-key", root_url=root_url)) as call:
        working = [asyncio.create_task(create(call, worker)) for worker in range(4)]
        await asyncio.sleep(seconds)
        process.kill()
        await process.wait()
        ended = await asyncio.gather(*working, return_exceptions=True)
    assert all(isinstance(error, aiohttp.ClientError) for error in ended)
    return shown


async def check_kills(file: Path, kills: int) -> None:
    known: dict[str, str] = {}
    draw = random.Random(kills)
    shown = 0.0
    for number in range(kills):
        shown = await killed_under_load(file, draw.uniform(0.05, 0.4), known, number, shown)
    async with Sandbox(state_file=file, clock=Clock.driven(start=0.0)) as sandbox, Caller(sandbox) as call:
        assert sandbox.clock.now() >= shown
        assert len(set(known.values())) == len(known) > 0
        for key, delivery_id in known.items():
            assert sandbox.deliveries[delivery_id].external_order_id == key
        key, delivery_id = next(reversed(known.items()))
        assert await call.create(key=key, externalOrderId=key) == delivery_id


async def test_nothing_that_was_acknowledged_is_lost_by_a_kill_under_load(file: Path) -> None:
    await check_kills(file, 3)


@pytest.mark.long
async def test_nothing_that_was_acknowledged_is_lost_by_a_hundred_kills(file: Path) -> None:
    await check_kills(file, 100)
