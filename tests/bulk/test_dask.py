"""A run on a real Dask cluster of processes on this machine."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from kaspi_delivery_async import ConfigurationError, KaspiDeliveryError, RateLimitedError
from kaspi_delivery_async.bulk import Journal, Paused, Result
from kaspi_delivery_async.bulk.chunks import Chunk, Job, create_deliveries_on
from kaspi_delivery_async.bulk.dask import DaskExecutor, dask_setup
from kaspi_delivery_async.sandbox import RecordedRequest, Sandbox
from tests.support.bulk_runs import counts, made, once, orders, states, until

distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")

pytestmark = pytest.mark.filterwarnings("default")
"""Dask and its web server warn of matters of their own."""

RATE = 100.0
ORDERS = 300


def most_in(seconds: float, requests: list[RecordedRequest]) -> int:
    """How many requests came within any ``seconds``."""
    times = sorted(request.at for request in requests)
    most = first = 0
    for last, time in enumerate(times):
        while times[first] < time - seconds:
            first += 1
        most = max(most, last + 1 - first)
    return most


async def test_a_killed_worker_costs_nothing_and_the_rate_is_kept(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, responses lost, one process killed in the middle of a chunk."""
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    sandbox.faults.add("create:commit-then-drop:0.05")

    async def kill_one(executor: DaskExecutor) -> None:
        workers = await executor._client.run(os.getpid)
        await until(lambda: sandbox.requests.total >= ORDERS // 4)
        os.kill(next(iter(workers.values())), signal.SIGKILL)

    async with DaskExecutor(processes=2) as executor:
        assert executor.workers == 2
        killing = asyncio.create_task(kill_one(executor))
        results = [
            result
            async for result in create_deliveries_on(
                executor, orders(ORDERS), base_url=sandbox.base_url, journal=file, rate=RATE, chunk_size=30
            )
        ]
        await killing
    assert states(results) == {"created": ORDERS}
    assert made(sandbox) == once(ORDERS)
    async with Journal(file) as journal:
        assert await counts(journal) == {"created": ORDERS}
    window = 2.0
    assert most_in(window, list(sandbox.requests)) <= 1.05 * RATE * window


async def test_an_existing_cluster_is_joined(file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    async with DaskExecutor(processes=1) as executor, DaskExecutor(executor._client.scheduler.address) as joined:
        results = create_deliveries_on(joined, orders(5), base_url=sandbox.base_url, journal=file)
        assert states([result async for result in results]) == {"created": 5}


async def test_cancelling_lets_the_orders_in_flight_end(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    sandbox.faults.add("create:latency:seconds=0.05")
    async with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, asynchronous=True
        ) as cluster,
        DaskExecutor(cluster.scheduler_address) as executor,
    ):
        results = create_deliveries_on(
            executor, orders(500), base_url=sandbox.base_url, journal=file, concurrency=5, chunk_size=250
        )
        running = asyncio.ensure_future(anext(results))
        await until(lambda: sandbox.requests.total >= 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    async with Journal(file) as journal:
        left = await counts(journal)
    assert left.keys() <= {"created", "pending"}
    assert left["created"] == len(sandbox.deliveries) == sandbox.requests.total < 250


async def test_a_pause_on_a_worker_is_reported_where_the_run_was_started(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    sandbox.faults.add("create:429:retry-after=3600")
    pauses: asyncio.Queue[Paused] = asyncio.Queue()
    async with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, asynchronous=True
        ) as cluster,
        DaskExecutor(cluster.scheduler_address) as executor,
    ):
        results = create_deliveries_on(
            executor, orders(5), base_url=sandbox.base_url, journal=file, on_pause=pauses.put_nowait
        )
        running = asyncio.ensure_future(anext(results))
        async with asyncio.timeout(60):
            paused = await pauses.get()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert paused.seconds == pytest.approx(3600, abs=60)
    assert isinstance(paused.cause, RateLimitedError)


def test_a_worker_of_our_own_lives_through_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        dask_setup(None)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaspi_delivery_async.bulk.dask.CONNECTION_TIMEOUT", 0.2)
    with pytest.raises(ConfigurationError, match=r"no Dask scheduler with a worker responds at tcp://127\.0\.0\.1:9"):
        await DaskExecutor("tcp://127.0.0.1:9").__aenter__()


@pytest.mark.parametrize("journal", ["run.sqlite", "sqlite:///run.sqlite"])
async def test_a_relative_path_for_a_journal_is_refused_on_a_cluster_of_others(journal: str) -> None:
    job = Job(base_url="https://x", journal=journal, concurrency=1, rate=None, run_id="r")
    with pytest.raises(ConfigurationError, match="is a relative path"):
        await DaskExecutor("tcp://127.0.0.1:9").run(job, Chunk(number=0, lines=()), on_pause=None)


async def test_a_chunk_whose_workers_are_lost_again_and_again(tmp_path: Path) -> None:
    """Dask gives such a task up; the error says what that means for the orders."""

    class Given:
        async def submit(self, *_: object, **__: object) -> list[Result]:
            raise distributed.KilledWorker("chunk", None, 4)

    executor = DaskExecutor()
    executor._client = Given()
    job = Job(base_url="https://x", journal=str(tmp_path), concurrency=1, rate=None, run_id="r")
    coroutine = executor.run(job, Chunk(number=7, lines=()), on_pause=None)
    with pytest.raises(KaspiDeliveryError, match="chunk 7 lost its worker again and again"):
        await coroutine


async def test_without_dask_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"kaspi-delivery-async\[dask\]"):
        await DaskExecutor().__aenter__()
