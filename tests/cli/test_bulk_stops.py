"""Bulk runs that are stopped while they run, on the test's own event loop."""

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.bulk import read_orders
from kaspi_delivery_async.cli.bulk import runs
from kaspi_delivery_async.cli.streams import finish_errors, finish_output, standard_streams
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import until
from tests.support.cli_process import full_pipe
from tests.support.order_files import write_orders


async def create(sandbox: Sandbox, folder: Path) -> int:
    """Create three deliveries and report them as JSON."""
    client = DeliveryClient(sandbox.api_key, base_url=sandbox.base_url)
    settings = runs.Settings(journal=str(folder / "run.sqlite"), results=None, concurrency=3, rate=None, as_json=True)
    return await runs.create(client, read_orders(write_orders(folder / "orders.csv", 3)), settings)


async def test_a_run_that_is_interrupted_before_its_output_is_read_reports_on_stderr(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.cli.bulk.output.report.PATIENCE", 0.01)
    sandbox.faults.add("create:latency:seconds=0.1")
    reading, writing = full_pipe()
    with io.TextIOWrapper(io.BufferedWriter(io.FileIO(writing, "wb"))) as output:
        monkeypatch.setattr(sys, "stdout", output)
        with standard_streams():
            run = asyncio.create_task(create(sandbox, tmp_path))
            await until(lambda: sandbox.requests.total == 3)
            os.kill(os.getpid(), signal.SIGINT)
            assert await run == 130
            finish_errors()
        os.close(reading)
    err = capsys.readouterr().err
    assert err.startswith("Error: standard output cannot be written: it is not being read. Orders in flight were comp")
    assert len(sandbox.deliveries) == 3
    assert all(delivery_id in err for delivery_id in sandbox.deliveries)


async def test_a_run_that_is_cancelled_by_no_signal_ends_without_a_report(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.add("create:latency:seconds=0.1")
    with standard_streams():
        run = asyncio.create_task(create(sandbox, tmp_path))
        await until(lambda: sandbox.requests.total == 3)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        finish_errors()
    assert capsys.readouterr() == ("", "")


async def test_a_second_signal_ends_a_run_at_once_with_a_summary(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.add("create:stall:count=1")
    with standard_streams():
        run = asyncio.create_task(create(sandbox, tmp_path))
        await until(lambda: len(sandbox.deliveries) == 2)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)  # the loop takes the first one
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait([run], timeout=3)  # seconds: the call would take ten times as long
        assert (run.done(), await run) == (True, 130)
        finish_output()
        finish_errors()
    out, err = capsys.readouterr()
    assert '"event":"summary"' in out.splitlines()[-1]
    assert '"created":2' in out.splitlines()[-1]
    assert "Interrupted. Orders in flight were given up, and may have been carried out" in err
