"""Edges of the commands: journals that vanish, hosts that cannot be reached, slow readers and name servers."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from kaspi_delivery_async.bulk import Journal
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import counts, made
from tests.support.cli_process import full_pipe, unmeasured
from tests.support.cli_runner import Run, RunInto
from tests.support.order_files import write_orders


async def test_a_bulk_run_whose_journal_vanishes_ends_and_names_it(
    run: Run, sandbox: Sandbox, file: str, tmp_path: Path
) -> None:
    source = str(write_orders(tmp_path / "orders.csv", 30))
    results = tmp_path / "out.csv"
    sandbox.faults.add("create:latency:seconds=0.2")

    async def vanish() -> None:
        while not sandbox.requests.total:
            await asyncio.sleep(0.005)
        for part in tmp_path.glob("run.sqlite*"):
            part.unlink()

    vanishing = asyncio.create_task(vanish())
    ended = await run(
        *("bulk", "create", source, "--journal", file, "--concurrency", "2", "--results", str(results), "--json")
    )
    await vanishing
    assert (ended.code, file in ended.err) == (3, True)
    *lines, failure, summary = ended.json_lines
    deliveries = {record.delivery_id for record in sandbox.deliveries.values()}
    assert {line["deliveryId"] for line in lines if line["state"] == "created"} == deliveries
    assert (failure["errorType"], summary["created"]) == ("StorageError", len(deliveries))
    assert all(delivery_id in results.read_text() for delivery_id in deliveries)
    assert len(deliveries) <= 2


@pytest.mark.parametrize(
    ("base_url", "code", "said"),
    [
        ("https://256.1.1.1", 2, "base_url names a host that cannot exist (256.1.1.1)"),
        ("https://api..kaspi.example", 2, "base_url names a host that cannot exist"),
        ("https://nonexistent.invalid", 1, "the host name was not found; check `base_url`"),
        ("http://127.0.0.1:1", 1, "could not connect"),
    ],
)
async def test_a_host_that_cannot_be_reached_is_named_and_no_order_counts_as_sent(
    run: Run, monkeypatch: pytest.MonkeyPatch, file: str, order_file: str, tmp_path: Path,
    base_url: str, code: int, said: str,
) -> None:  # fmt: skip
    def unknown_name(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_name)
    monkeypatch.setattr("kaspi_delivery_async._call.retry.next_wait", lambda *_, **__: None)  # no attempt is repeated
    monkeypatch.setenv("KASPI_API_KEY", "key")
    monkeypatch.setenv("KASPI_BASE_URL", base_url)
    for arguments in (
        ("create", order_file),
        ("get", "dlv_1"),
        ("bulk", "create", str(write_orders(tmp_path / "orders.csv", 2)), "--journal", file),
    ):
        ended = await run(*arguments)
        assert (ended.code, said in ended.out + ended.err, "Traceback" in ended.err) == (code, True, False)
    if code == 1:
        async with Journal(file) as journal:
            assert set(await counts(journal)) <= {"failed", "pending"}


async def test_a_slow_reader_of_a_non_blocking_pipe_gets_every_result(
    run_into: RunInto, sandbox: Sandbox, file: str, tmp_path: Path
) -> None:
    source = str(write_orders(tmp_path / "orders.csv", 30))
    reading, writing = full_pipe()
    os.set_blocking(writing, False)
    command = asyncio.create_task(run_into(writing, "bulk", "create", source, "--journal", file, "--json"))
    while len(sandbox.deliveries) < 30:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        written = await asyncio.to_thread(pipe.read)
    assert await command == (0, "")
    *lines, summary = map(json.loads, written.lstrip(b"\0").splitlines())
    assert {line["orderId"] for line in lines} == set(made(sandbox))
    assert summary["created"] == 30


SLOW_NAME_SERVER = """
import os, socket, sys, time

def look_up(*arguments, **options):
    os.write(1, b"asked")
    time.sleep(60)

socket.getaddrinfo = look_up
from kaspi_delivery_async.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.processes
async def test_a_command_ends_at_once_while_a_name_server_is_silent(file: str, tmp_path: Path) -> None:
    source = str(write_orders(tmp_path / "orders.csv", 2))
    environment = {**unmeasured(), "KASPI_API_KEY": "key", "KASPI_BASE_URL": "https://api.invalid"}

    async def interrupted(*arguments: str) -> int | None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SLOW_NAME_SERVER, *arguments), stdout=PIPE, stderr=PIPE, env=environment
        )
        assert process.stdout is not None
        assert await process.stdout.readexactly(5) == b"asked"
        began = asyncio.get_running_loop().time()
        process.send_signal(signal.SIGINT)
        if "bulk" in arguments:
            process.send_signal(signal.SIGTERM)  # the first lets orders in flight end
        _, err = await process.communicate()
        assert asyncio.get_running_loop().time() - began < 10
        assert b"Traceback" not in err
        return process.returncode

    assert await interrupted("get", "dlv_1") == 130
    assert await interrupted("bulk", "create", source, "--journal", file) in {130, 143}
