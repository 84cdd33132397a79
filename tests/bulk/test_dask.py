"""A run on a real Dask cluster of processes on this machine."""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme

from kaspi_delivery_async import (
    AuthenticationError,
    ConfigurationError,
    DeliveryRequest,
    KaspiDeliveryError,
    RateLimitedError,
)
from kaspi_delivery_async.bulk import Journal, Paused, Result, dask
from kaspi_delivery_async.bulk.chunks import Chunk, Job, create_deliveries_on
from kaspi_delivery_async.bulk.dask import DaskExecutor, WorkersChanged, dask_setup
from kaspi_delivery_async.bulk.dask_workers import Worker
from kaspi_delivery_async.sandbox import RecordedRequest, Sandbox
from tests.support.bulk_runs import counts, made, once, orders, states, until

distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")
dask_configuration = pytest.importorskip("dask").config.set

pytestmark = pytest.mark.filterwarnings("default")
"""Dask and its web server warn of matters of their own."""

RATE = 100.0
ORDERS = 150


def most_in(seconds: float, requests: list[RecordedRequest]) -> int:
    """How many requests came within any ``seconds``."""
    times = sorted(request.at for request in requests)
    most = first = 0
    for last, time in enumerate(times):
        while times[first] < time - seconds:
            first += 1
        most = max(most, last + 1 - first)
    return most


async def test_workers_that_are_killed_and_stopped_cost_nothing_and_the_rate_is_kept(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, responses lost, one killed in the middle of a chunk, and the other stopped for a while."""
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    sandbox.faults.add("create:commit-then-drop:0.05")

    async def kill_and_stop(executor: DaskExecutor) -> None:
        workers = await executor._client.run(os.getpid)
        await until(lambda: sandbox.requests.total >= ORDERS // 4)
        killed, stopped = workers.values()
        os.kill(killed, signal.SIGKILL)
        os.kill(stopped, signal.SIGSTOP)
        await asyncio.sleep(0.5)
        os.kill(stopped, signal.SIGCONT)

    changes: list[WorkersChanged] = []
    async with DaskExecutor(processes=2, on_workers=changes.append) as executor:
        assert executor.workers == 2
        address = executor._client.scheduler.address
        with pytest.raises(OSError, match=r"Timed out|closed|SSL|tls"):  # without the certificate nobody is let in
            await distributed.core.connect(address.replace("tls://", "tcp://"), timeout=1)
        killing = asyncio.create_task(kill_and_stop(executor))
        results = [
            result
            async for result in create_deliveries_on(
                executor, orders(ORDERS), base_url=sandbox.base_url, journal=file, rate=RATE, chunk_size=20
            )
        ]
        await killing
    assert states(results) == {"created": ORDERS}
    assert [len(change.left) for change in changes if change.left] == [1]
    assert made(sandbox) == once(ORDERS)
    async with Journal(file) as journal:
        assert await counts(journal) == {"created": ORDERS}
    window = 2.0
    assert most_in(window, list(sandbox.requests)) <= 1.05 * RATE * window


@asynccontextmanager
async def cluster_in_this_process(protocol: str = "tcp") -> AsyncGenerator[str]:
    """Run a scheduler with a worker, and give its address."""
    async with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol=protocol, dashboard_address=None, asynchronous=True
    ) as cluster:
        yield cluster.scheduler_address


async def create_all(
    executor: DaskExecutor, source: list[DeliveryRequest], sandbox: Sandbox, journal: str
) -> list[Result]:
    results = create_deliveries_on(executor, source, base_url=sandbox.base_url, journal=journal, chunk_size=2)
    return [result async for result in results]


class Odd(str):
    """A text that cannot be sent to another process."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("not today")


async def test_a_cluster_of_others_is_joined(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its scheduler keeps nothing of what went through it."""
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    source = orders(5)
    source[2] = attrs.evolve(source[2], external_order_id=Odd("order-2"))
    async with cluster_in_this_process() as address, DaskExecutor(address) as executor:
        found = {result.place: result for result in await create_all(executor, source, sandbox, file)}
        sandbox.api_key = "another"
        with pytest.raises(AuthenticationError):
            await create_all(executor, orders(9), sandbox, file)
        kept = str(await executor._client.run_on_scheduler(_kept_by_scheduler))
    assert f"the cluster at {address} is not encrypted" in caplog.text
    refused = found.pop("order 3")
    assert states(found.values()) == {"created": 4}
    assert "order 3: the order cannot be sent to a worker: its data is not plain (TypeError in pickling)" in str(
        refused.error
    )
    assert kept == "[]"


def _kept_by_scheduler(dask_scheduler: Any) -> list[object]:
    return [*dask_scheduler.tasks, *dask_scheduler.computations]


async def test_cancelling_lets_the_orders_in_flight_end(
    file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    sandbox.faults.add("create:latency:seconds=0.05")
    async with cluster_in_this_process() as address, DaskExecutor(address) as executor:
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
    async with cluster_in_this_process() as address, DaskExecutor(address) as executor:
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
    with pytest.raises(ConfigurationError, match=r"no Dask scheduler responds at tcp://127\.0\.0\.1:9"):
        await DaskExecutor("tcp://127.0.0.1:9").__aenter__()


async def test_a_scheduler_with_tls_requires_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"asks for a certificate: set distributed\.comm\.tls\.ca-file"):
        await DaskExecutor("tls://127.0.0.1:9").__aenter__()


async def test_a_cluster_with_tls_is_joined_by_dasks_own_configuration(
    tmp_path: Path, file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "node.pem")
    tls = {
        f"distributed.comm.tls.{role}.{part}": str(tmp_path / "node.pem")
        for role in ("client", "scheduler", "worker")
        for part in ("key", "cert")
    }
    with dask_configuration({"distributed.comm.tls.ca-file": str(tmp_path / "ca.pem"), **tls}):
        async with cluster_in_this_process("tls") as address, DaskExecutor(address) as executor:
            assert address.startswith("tls://")
            assert states(await create_all(executor, orders(3), sandbox, file)) == {"created": 3}
    assert "is not encrypted" not in caplog.text


@pytest.mark.parametrize("journal", ["run.sqlite", "sqlite:///run.sqlite"])
async def test_a_relative_path_for_a_journal_is_refused_on_a_cluster_of_others(journal: str) -> None:
    job = Job(base_url="https://x", journal=journal, concurrency=1, rate=None, run_id="r")
    with pytest.raises(ConfigurationError, match="is a relative path"):
        await DaskExecutor("tcp://127.0.0.1:9").run(job, Chunk(number=0, lines=()), on_pause=None)


class Lost:
    """A cluster whose workers are lost whenever they are given a chunk."""

    def __init__(self) -> None:
        self.ready = [Worker(address="tcp://a:1")]
        self.stopped: list[str] = []

    async def take(self, *, orders: int) -> Worker:
        return self.ready[0]

    def give_back(self, worker: Worker) -> None: ...

    async def run(self, function: Any, *_: object, workers: list[str], on_error: str) -> dict[str, object]:
        if function is dask._stop:
            await asyncio.Event().wait()  # it is lost, too
        if self.stopped:
            return {workers[0]: OSError("connection reset")}
        self.stopped.append(workers[0])
        raise OSError("the scheduler is gone")


def executor_on(cluster: Any) -> DaskExecutor:
    executor = DaskExecutor()
    executor._client = executor._workers = cluster
    return executor


JOB = Job(base_url="https://x", journal="/journal", concurrency=1, rate=None, run_id="r")
CHUNK = Chunk(number=7, lines=())


async def test_a_chunk_whose_workers_are_lost_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dask, "LOSS_PAUSE", 0.0)
    caplog.set_level("INFO")
    with pytest.raises(KaspiDeliveryError, match="chunk 7 lost its worker 10 times"):
        await executor_on(Lost()).run(JOB, CHUNK, on_pause=None)
    assert caplog.text.count("Dask worker tcp://a:1 did not return chunk 7: OSError") == 10


class Stopped(Lost):
    """A cluster whose workers never respond."""

    async def run(self, function: Any, *_: object, **__: object) -> dict[str, object]:
        await asyncio.Event().wait()
        return {}


async def test_a_worker_that_sends_heartbeats_and_does_not_respond_keeps_no_run_from_ending_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask, "STOP_TIMEOUT", 0.05)
    running = asyncio.create_task(executor_on(Stopped()).run(JOB, CHUNK, on_pause=None))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()


async def test_a_worker_that_does_not_respond_keeps_no_run_from_ending() -> None:
    cluster = Stopped()
    (worker,) = cluster.ready
    running = asyncio.create_task(executor_on(cluster).run(JOB, CHUNK, on_pause=None))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.sleep(0.01)
    assert not running.done()
    worker.gone.set()
    await asyncio.wait([running], timeout=5)  # seconds: less than a worker has to stop
    assert running.cancelled()


async def test_a_chunk_of_a_worker_that_left_is_given_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaving(Lost):
        async def run(self, function: Any, *_: object, workers: list[str], on_error: str) -> dict[str, object]:
            if not self.stopped:
                self.stopped.append(workers[0])
                gone, self.ready = self.ready[0], [Worker(address="tcp://b:1")]
                gone.gone.set()
                await asyncio.Event().wait()
            return {workers[0]: dask._Ended([], None)}

    cluster = Leaving()
    assert await executor_on(cluster).run(JOB, CHUNK, on_pause=None) == []
    assert cluster.stopped == ["tcp://a:1"]


async def test_an_executor_that_is_not_open() -> None:
    executor = DaskExecutor()
    assert executor.workers == 1
    with pytest.raises(ConfigurationError, match="the executor is not open"):
        await executor.run(JOB, CHUNK, on_pause=None)


async def test_a_program_without_a_guard_is_shown_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker process imports the program, which starts a cluster again."""

    class NoCluster:
        def __init__(self, **_: object) -> None: ...

        async def __aenter__(self) -> None:
            raise RuntimeError("Nanny failed to start.")

        async def __aexit__(self, *_: object) -> None: ...

    monkeypatch.setattr(distributed, "LocalCluster", NoCluster)
    with pytest.raises(ConfigurationError, match='must be under `if __name__ == "__main__":`'):
        await DaskExecutor().__aenter__()
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(SystemExit):
        await DaskExecutor().__aenter__()


async def test_without_cryptography_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def temporary() -> None:
        raise ImportError("Using `Security.temporary` requires `cryptography`")

    monkeypatch.setattr(distributed.Security, "temporary", temporary)
    with pytest.raises(ConfigurationError, match=r"requires cryptography: .*kaspi-delivery-async\[dask\]"):
        await DaskExecutor().__aenter__()


async def test_without_dask_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"kaspi-delivery-async\[dask\]"):
        await DaskExecutor().__aenter__()
