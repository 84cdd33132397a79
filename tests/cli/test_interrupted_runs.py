"""`bulk create`, interrupted at any moment: results file, JSON lines and summary name every delivery that was made."""

import asyncio
import csv
import json
import random
import signal
from pathlib import Path

import pytest

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_process import started, unmeasured
from tests.support.order_files import write_orders

pytestmark = [pytest.mark.processes, pytest.mark.newest]

ORDERS = 30


async def interrupt(sandbox: Sandbox, folder: Path, moment: random.Random, *options: str) -> None:
    """Interrupt one run when a random number of requests has come, or a little later, and check its report."""
    sandbox.faults.clear()
    sandbox.faults.add("create:latency:seconds=0.05")
    await sandbox.reset()
    source = str(write_orders(folder / "orders.csv", ORDERS))
    journal, results = folder / "run.sqlite", folder / "out.csv"
    for file in folder.glob("run.sqlite*"):
        file.unlink()
    results.unlink(missing_ok=True)
    arguments = ["bulk", "create", source, "--journal", str(journal), "--results", str(results), "--json"]
    requests = moment.randrange(1, ORDERS - 8)  # before the first, Python may not yet handle signals
    async with started(*arguments, "--concurrency", "4", *options, env=unmeasured()) as process:
        while sandbox.requests.total < requests and process.returncode is None:
            await asyncio.sleep(0.001)
        await asyncio.sleep(moment.uniform(0, 0.06))
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert b"Traceback" not in err
    # One that comes when all is reported and Python shuts down ends the process by itself; shells say 130 then, too.
    assert process.returncode in {0, 130, -signal.SIGINT}
    events = [json.loads(line) for line in out.splitlines()]
    made = {record.external_order_id: record.delivery_id for record in sandbox.deliveries.values()}
    lines = {event["orderId"]: event["deliveryId"] for event in events if event["event"] == "result"}
    rows = {}
    if results.exists():
        with results.open(newline="") as written:
            rows = {row["orderId"]: row["deliveryId"] for row in csv.DictReader(written)}
    assert lines == rows == made
    if made:
        assert (events[-1]["event"], events[-1]["created"]) == ("summary", len(made))


@pytest.mark.parametrize("seed", range(2))
async def test_an_interrupted_run_reports_every_delivery_that_it_made(
    sandbox: Sandbox, tmp_path: Path, seed: int
) -> None:
    await interrupt(sandbox, tmp_path, random.Random(seed))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("options", [(), ("--dask",)], ids=["one process", "Dask"])
@pytest.mark.parametrize("seeds", [range(first, first + 20) for first in range(0, 100, 20)], ids=str)
async def test_a_run_may_be_interrupted_at_any_moment(
    sandbox: Sandbox, tmp_path: Path, seeds: range, options: tuple[str, ...]
) -> None:
    for seed in seeds:
        await interrupt(sandbox, tmp_path, random.Random(seed), *options)
