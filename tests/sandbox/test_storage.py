"""The state file: what is kept over restarts, kill -9 included."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox
from kaspi_delivery_async.sandbox.state.storage import SqliteStorage
from tests.support.described_api import Caller, Elsewhere, Receiver, order

pytestmark = pytest.mark.processes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


async def test_deliveries_keys_and_time_outlast_a_restart(file: Path) -> None:
    async with Sandbox(clock=Clock.driven(), state_file=file) as sandbox, Caller(sandbox) as call:
        first = await call("POST", "/v1/deliveries", key="order-742", json=order())
        await sandbox.advance(first.delivery_id, "accepted", notes="Courier assigned")
        await sandbox.clock.advance(3600)
        before, now = dict(sandbox.deliveries), sandbox.clock.now()
    async with Sandbox(clock=Clock.driven(), state_file=file) as sandbox, Caller(sandbox) as call:
        assert dict(sandbox.deliveries) == before
        assert sandbox.clock.now() == now
        again = await call("POST", "/v1/deliveries", key="order-742", json=order())
        assert (again.body, again.headers["X-Idempotent-Replay"]) == (first.body, "true")
        assert await call.create() != first.delivery_id


async def test_a_sandbox_without_a_file_forgets() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        await call.create()
    async with Sandbox() as sandbox:
        assert len(sandbox.deliveries) == 0


async def test_pending_webhooks_are_sent_after_a_restart_when_due(file: Path) -> None:
    async with (
        Receiver(lambda _: 500) as receiver,
        Sandbox(clock=Clock.driven(), state_file=file, webhook_url=receiver.url) as sandbox,
        Caller(sandbox) as call,
    ):
        await call.create()
        await sandbox.drain_webhooks()
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), state_file=file, webhook_url=receiver.url) as sandbox,
    ):
        await sandbox.clock.advance(59)
        assert receiver.received == []
        await sandbox.clock.advance(1)
        assert [received.json["attempt"] for received in receiver.received] == [2]
    async with (
        Receiver() as receiver,
        Sandbox(clock=Clock.driven(), state_file=file, webhook_url=receiver.url) as sandbox,
    ):
        await sandbox.clock.advance(86400)
        assert receiver.received == []


async def test_journeys_go_on_after_a_restart(file: Path) -> None:
    async with Sandbox(clock=Clock.driven(), journey=Journey(), state_file=file) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
    async with Sandbox(clock=Clock.driven(), journey=Journey(), state_file=file) as sandbox:
        await sandbox.clock.advance(86400)
        assert sandbox.deliveries[delivery_id].status == "delivered"


async def test_test_events_are_not_numbered_twice(file: Path) -> None:
    ids: set[str] = set()
    async with Receiver() as receiver:
        for _ in range(2):
            async with Sandbox(state_file=file) as sandbox, Caller(sandbox) as call:
                body = {"url": receiver.url, "type": "delivery.created"}
                ids.add((await call("POST", "/v1/webhooks/test", json=body)).json["eventId"])
    assert len(ids) == 2


async def test_a_reset_empties_the_file(file: Path) -> None:
    async with Sandbox(state_file=file) as sandbox, Caller(sandbox) as call:
        await call.create(key="order-742")
        await sandbox.reset()
    async with Sandbox(state_file=file) as sandbox:
        assert len(sandbox.deliveries) == 0


def test_only_the_owner_can_read_the_file(file: Path) -> None:
    async def make() -> None:
        async with Sandbox(state_file=file):
            pass

    asyncio.run(make())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def write_text(file: Path) -> None:
    file.write_text("this is no database at all, it is text")


def write_foreign_tables(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE theirs (x)")


@pytest.mark.parametrize("write", [write_text, write_foreign_tables])
def test_another_file_is_refused_and_left_alone(file: Path, write: Callable[[Path], None]) -> None:
    write(file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="no state file"):
        asyncio.run(Sandbox(state_file=file).start())
    assert file.read_bytes() == before


async def test_a_file_in_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Sandbox(state_file=tmp_path / "none" / "state.sqlite").start()


def test_a_file_that_is_not_open_says_so(file: Path) -> None:
    storage = SqliteStorage(file)
    storage.close()
    with pytest.raises(RuntimeError, match="only while the sandbox runs"):
        storage.commit(0.0)


async def test_a_clock_in_use_leaves_the_file_closed(file: Path) -> None:
    clock = Clock.driven()
    async with Sandbox(clock=clock):
        with pytest.raises(RuntimeError, match="its own Clock"):
            await Sandbox(clock=clock, state_file=file).start()
    async with Sandbox(clock=clock, state_file=file):
        pass


SERVE = """
import asyncio, sys
from kaspi_delivery_async.sandbox import Sandbox
async def main():
    async with Sandbox(state_file=sys.argv[1]) as sandbox:
        print(sandbox.base_url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_responses_outlast_a_kill(file: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, file, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    base_url = (await process.stdout.readline()).decode().strip()
    async with Caller(Elsewhere(api_key="sandbox-key", root_url=base_url.removesuffix("/delivery"))) as call:
        created = [await call.create(key=f"order-{number}") for number in range(20)]
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    async with Sandbox(state_file=file) as sandbox, Caller(sandbox) as call:
        assert list(sandbox.deliveries) == created
        assert await call.create(key="order-7") == created[7]
