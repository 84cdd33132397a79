"""Kills bulk runs at random points and continues them: ``python -m tests.support.kill_harness --points 300``.

Each point is a run of its own: the real command line against a sandbox that carries out one order in
twenty and loses the response. The process gets SIGKILL when the sandbox has seen a random number of
requests, and the same command then runs to its end. Afterwards every order must have exactly one
delivery, and the journal must name that delivery.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kaspi_delivery_async.bulk import Journal, OrderState
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import until
from tests.support.order_files import write_orders

COMMAND = (sys.executable, "-m", "kaspi_delivery_async.cli", "bulk", "create")
FAULTS = ("create:commit-then-drop:0.05",)


async def survive(directory: Path, *, orders: int, seed: int) -> int:
    """Play one point; return how many requests the sandbox saw before the kill. Raises AssertionError."""
    draw = random.Random(seed)
    source, journal = directory / "orders.csv", directory / "run.sqlite"
    write_orders(source, orders)
    async with Sandbox(faults=FAULTS, seed=seed) as sandbox:
        point = draw.randrange(orders)
        victim = await _start(source, journal, sandbox)
        await until(lambda: sandbox.requests.total >= point or victim.returncode is not None)
        await asyncio.sleep(draw.random() * 0.02)
        if victim.returncode is None:
            victim.send_signal(signal.SIGKILL)
        await victim.wait()
        seen = sandbox.requests.total
        second = await _start(source, journal, sandbox)
        _, complaints = await second.communicate()
        assert second.returncode == 0, complaints.decode()
        await _check(sandbox, journal, orders=orders)
    return seen


async def _start(source: Path, journal: Path, sandbox: Sandbox) -> asyncio.subprocess.Process:
    settings = {**os.environ, "KASPI_API_KEY": sandbox.api_key, "KASPI_BASE_URL": sandbox.base_url}
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *(str(source), "--journal", str(journal)),
        env=settings,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )


async def _check(sandbox: Sandbox, journal: Path, *, orders: int) -> None:
    made = Counter(record.external_order_id for record in sandbox.deliveries.values())
    assert len(made) == orders, f"{orders - len(made)} orders are missing"
    assert set(made.values()) == {1}, f"made twice: {[order for order, count in made.items() if count > 1]}"
    ids = {record.external_order_id: record.delivery_id for record in sandbox.deliveries.values()}
    async with Journal(journal) as opened:
        entries = [entry async for entry in opened.entries()]
    assert {entry.state for entry in entries} == {OrderState.CREATED}
    assert {entry.order_id: entry.delivery_id for entry in entries} == ids, "journal and sandbox disagree"


async def survive_all(seeds: Iterable[int], *, orders: int, jobs: int) -> int:
    """Play a point for each seed, ``jobs`` at once; return how many there were."""
    slots = asyncio.Semaphore(jobs)

    async def play(seed: int) -> None:
        async with slots:
            with tempfile.TemporaryDirectory() as directory:
                seen = await survive(Path(directory), orders=orders, seed=seed)
            print(f"point {seed}: killed after {seen} requests, continued, {orders} orders once each", flush=True)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(play(seed)) for seed in seeds]
    return len(tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=300, help="how many runs are killed")
    parser.add_argument("--orders", type=int, default=2000, help="orders of a run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.points)
    points = asyncio.run(survive_all(seeds, orders=arguments.orders, jobs=arguments.jobs))
    print(f"{points} points of {arguments.orders} orders: none missing, none made twice, journal and sandbox agree")


if __name__ == "__main__":
    main()
