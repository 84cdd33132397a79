"""Runs on schedulers and workers that are processes of their own, and that are killed, stopped and retired."""

import asyncio
import random
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from kaspi_delivery_async import ConfigurationError, KaspiDeliveryError
from kaspi_delivery_async.bulk import Result, dask, dask_workers
from kaspi_delivery_async.bulk.chunks import create_deliveries_on
from kaspi_delivery_async.bulk.dask import DaskExecutor, WorkersChanged
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import made, once, orders, states, until
from tests.support.dask_cluster import DaskCluster, in_background, torment

pytest.importorskip("distributed", reason="needs the extra `dask`")

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.processes, pytest.mark.timeout(600)]

RATE = 100.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers come up on a machine that is busy."""
    monkeypatch.setattr(dask, "CONNECTION_TIMEOUT", 120.0)
    monkeypatch.setattr(dask_workers, "WORKER_TIMEOUT", 120.0)


def cluster_for(sandbox: Sandbox, tmp_path: Path) -> DaskCluster:
    return DaskCluster(tmp_path, {"KASPI_API_KEY": sandbox.api_key})


class Run:
    """A run with its results, its error, and what was said of its workers."""

    def __init__(self) -> None:
        self.results = list[Result]()
        self.error: KaspiDeliveryError | None = None
        self.changes: list[WorkersChanged] = []

    async def create(self, executor: DaskExecutor, sandbox: Sandbox, journal: str, count: int = 600) -> None:
        results = create_deliveries_on(
            executor, orders(count), base_url=sandbox.base_url, journal=journal, rate=RATE, chunk_size=50
        )
        try:
            async for result in results:
                self.results.append(result)
        except KaspiDeliveryError as error:
            self.error = error

    @property
    def reasons(self) -> str:
        return " ".join(change.reason for change in self.changes if change.reason)


def most_per_second(sandbox: Sandbox) -> int:
    times = sorted(request.at for request in sandbox.requests)
    first = most = 0
    for last, time in enumerate(times):
        while times[first] < time - 1:
            first += 1
        most = max(most, last + 1 - first)
    return most


async def ready(executor: DaskExecutor, workers: int) -> None:
    while executor.workers < workers:
        await asyncio.sleep(0.05)


@pytest.mark.long
@pytest.mark.parametrize("lost", ["workers", "scheduler"])
async def test_a_cluster_that_is_lost_ends_the_run_with_what_was_made(
    postgresql_url: str, sandbox: Sandbox, tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run()
    monkeypatch.setattr(dask_workers, "WORKER_TIMEOUT", 30.0)
    async with cluster_for(sandbox, tmp_path) as cluster:
        await cluster.add()
        await cluster.add()
        async with DaskExecutor(cluster.address, on_workers=run.changes.append) as executor:
            await ready(executor, 2)
            running = asyncio.create_task(run.create(executor, sandbox, postgresql_url))
            await until(lambda: sandbox.requests.total > 150)
            for process in cluster.workers if lost == "workers" else [cluster.scheduler]:
                process.kill()
            await running
    assert {
        "workers": "has had no worker for 30 s",
        "scheduler": "has not responded for 10 s",
    }[lost] in str(run.error)
    assert {"workers": "no worker is left", "scheduler": "does not respond"}[lost] in run.reasons
    created = {result.order_id for result in run.results if result.state == "created"}
    named = {result.order_id for result in run.results}
    assert created <= made(sandbox).keys() <= named  # what is not known to be made is named as open
    assert set(made(sandbox).values()) == {1}


@pytest.mark.long
async def test_the_share_of_a_worker_that_left_or_joined_is_used(
    postgresql_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """One is stopped for longer than its lease and continued, one is killed, one joins: the whole rate, and no more."""
    run = Run()
    async with cluster_for(sandbox, tmp_path) as cluster:
        stopped, killed = await cluster.add(), await cluster.add()
        async with DaskExecutor(cluster.address, on_workers=run.changes.append) as executor:
            await ready(executor, 2)
            running = asyncio.create_task(run.create(executor, sandbox, postgresql_url, count=2500))
            await until(lambda: sandbox.requests.total > 200)
            stopped.send_signal(signal.SIGSTOP)
            await cluster.add()
            await until(lambda: sandbox.requests.total > 1000)
            stopped.send_signal(signal.SIGCONT)
            killed.kill()
            await running
    assert run.error is None
    assert states(run.results) == {"created": 2500}
    assert made(sandbox) == once(2500)
    times = sorted(request.at for request in sandbox.requests)
    assert most_per_second(sandbox) <= 1.05 * RATE + 1
    assert len(times) / (times[-1] - times[0]) >= 0.95 * RATE


@pytest.mark.long
async def test_ctrl_c_ends_a_run_of_which_a_worker_is_stopped(
    postgresql_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    run = Run()
    async with cluster_for(sandbox, tmp_path) as cluster:
        stopped, _ = await cluster.add(), await cluster.add()
        async with DaskExecutor(cluster.address, on_workers=run.changes.append) as executor:
            await ready(executor, 2)
            running = asyncio.create_task(run.create(executor, sandbox, postgresql_url))
            await until(lambda: sandbox.requests.total > 100)
            stopped.send_signal(signal.SIGSTOP)
            await asyncio.sleep(1)
            async with asyncio.timeout(25):
                running.cancel()
                await asyncio.wait([running])
        stopped.send_signal(signal.SIGCONT)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(50))
async def test_whatever_happens_to_the_workers_each_order_is_created_once(
    postgresql_url: str, sandbox: Sandbox, tmp_path: Path, seed: int
) -> None:
    count, rate = 2000, 250.0
    draw = random.Random(seed)
    sandbox.faults.add("create:commit-then-drop:0.03")
    async with cluster_for(sandbox, tmp_path) as cluster:
        for _ in range(draw.randint(1, 4)):
            await cluster.add()
        async with (
            DaskExecutor(cluster.address) as executor,
            in_background(torment(cluster, executor, draw, stop_for=8)),
        ):
            results = create_deliveries_on(
                executor, orders(count), base_url=sandbox.base_url, journal=postgresql_url, rate=rate, chunk_size=50
            )
            found = [result async for result in results]
    assert states(found) == {"created": count}
    assert made(sandbox) == once(count)
    assert Counter(result.order_id for result in found) == once(count)
    assert {result.delivery_id for result in found} == set(sandbox.deliveries)
    assert most_per_second(sandbox) <= 1.05 * rate + 1


@pytest.mark.long
async def test_a_worker_without_the_package_is_named(postgresql_url: str, sandbox: Sandbox, tmp_path: Path) -> None:
    """The scheduler does not need it."""
    (tmp_path / "without" / "kaspi_delivery_async").mkdir(parents=True)
    (tmp_path / "without" / "kaspi_delivery_async" / "__init__.py").write_text("raise ImportError('not here')\n")
    async with DaskCluster(
        tmp_path, {"KASPI_API_KEY": sandbox.api_key, "PYTHONPATH": str(tmp_path / "without")}
    ) as cluster:
        await cluster.add()
        with pytest.raises(KaspiDeliveryError, match=r"can be used: tcp://.*not here.*; install kaspi-"):
            await DaskExecutor(cluster.address).__aenter__()
        await cluster.add(PYTHONPATH="")
        run = Run()
        while not run.results:
            with suppress(ConfigurationError):  # until that one has joined
                async with DaskExecutor(cluster.address, on_workers=run.changes.append) as executor:
                    await run.create(executor, sandbox, postgresql_url, count=20)
    assert states(run.results) == {"created": 20}
    assert "a worker cannot be used: tcp://" in run.reasons


@pytest.mark.long
async def test_a_program_without_a_guard_ends_with_one_sentence(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio\n"
        "from kaspi_delivery_async.bulk.dask import DaskExecutor\n"
        "asyncio.run(DaskExecutor(processes=1).__aenter__())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert err.decode().count("Traceback") == 1
    assert 'must be under `if __name__ == "__main__":`' in err.decode().splitlines()[-1]
    assert process.returncode == 1
