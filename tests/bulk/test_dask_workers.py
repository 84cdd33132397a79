"""The workers of a cluster as its scheduler names them: which are there, which left, and who has a chunk."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaspi_delivery_async import ConfigurationError, KaspiDeliveryError
from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.bulk.dask_workers import Workers, WorkersChanged, examine

pytestmark = pytest.mark.looptime


class Cluster:
    """A Dask client, with the scheduler that it talks to."""

    def __init__(self, *workers: str) -> None:
        self.scheduler = self
        self.beating = dict.fromkeys(workers, True)
        """For each worker, whether it sends heartbeats."""
        self.retiring: set[str] = set()
        self.last_seen: dict[str, float] = {}
        self.problems: dict[str, BaseException | None] = {}
        self.responds = True
        self.busy: set[str] = set()

    async def identity(self) -> dict[str, Any]:
        if not self.responds:
            raise OSError("connection refused")
        for name, beats in self.beating.items():
            if beats or name not in self.last_seen:
                self.last_seen[name] = asyncio.get_running_loop().time()
        return {
            "workers": {
                name: {
                    "last_seen": self.last_seen[name],
                    "status": "closing_gracefully" if name in self.retiring else "running",
                }
                for name in self.beating
            }
        }

    async def run(self, _function: object, _version: str, *, workers: list[str], on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        await asyncio.sleep(0.1 if self.beating.get(workers[0]) and workers[0] not in self.busy else 1000)
        return {workers[0]: self.problems.get(workers[0])}


events: list[WorkersChanged] = []


@asynccontextmanager
async def following(cluster: Cluster) -> AsyncGenerator[Workers]:
    events.clear()
    workers = Workers(cluster, "tls://scheduler:8786", on_change=events.append)
    try:
        await workers.open(timeout=10)
        yield workers
    finally:
        await workers.close()


async def test_each_free_worker_is_lent_once() -> None:
    async with following(Cluster("a", "b")) as workers:
        lent = [await workers.take(orders=300), await workers.take(orders=200)]
        assert {worker.address: worker.orders for worker in lent} == {"a": 300, "b": 200}
        waiting = asyncio.create_task(workers.take(orders=1))
        await asyncio.sleep(100)
        assert not waiting.done()
        workers.give_back(lent[1])
        assert (await waiting).address == "b"


async def test_what_changes_is_said_at_once() -> None:
    cluster = Cluster("a")
    async with following(cluster) as workers:
        worker = await workers.take(orders=300)
        cluster.beating["b"] = True
        await asyncio.sleep(1)
        del cluster.beating["a"]
        await asyncio.sleep(1)
        assert worker.gone.is_set()
        del cluster.beating["b"]
        await asyncio.sleep(1)
    assert events == [
        WorkersChanged(in_flight={"a": 0}, joined=("a",)),
        WorkersChanged(in_flight={"a": 300, "b": 0}, joined=("b",)),
        WorkersChanged(in_flight={"b": 0}, left=("a",)),
        WorkersChanged(in_flight={}, left=("b",), reason="no worker is left; waiting for one for at most 30 s"),
    ]


async def test_without_a_worker_a_run_waits_for_a_while_only() -> None:
    cluster = Cluster("a")
    async with following(cluster) as workers:
        cluster.beating.clear()
        await asyncio.sleep(1)
        start = asyncio.get_running_loop().time()
        with pytest.raises(KaspiDeliveryError, match="has had no worker for 30 s; the journal holds what was sent"):
            await workers.take(orders=1)
        assert asyncio.get_running_loop().time() - start == pytest.approx(30, abs=1)
        cluster.problems["b"] = ImportError("No module named 'kaspi_delivery_async'")
        cluster.beating["b"] = True
        await asyncio.sleep(1)
        with pytest.raises(KaspiDeliveryError, match=r"no worker for 30 s \(b: ImportError: No module named"):
            await workers.take(orders=1)


async def test_a_worker_that_sends_no_heartbeat_is_lost_until_it_sends_one() -> None:
    cluster = Cluster("a", "b")
    async with following(cluster) as workers:
        stopped = await workers.take(orders=300)
        cluster.beating["a"] = False
        await asyncio.sleep(5)
        assert not stopped.gone.is_set()
        await asyncio.sleep(2)
        assert stopped.gone.is_set()
        assert [worker.address for worker in workers.ready] == ["b"]
        cluster.beating["a"] = True
        await asyncio.sleep(1)
        assert {worker.address for worker in workers.ready} == {"a", "b"}


async def test_a_worker_that_is_being_retired_gets_no_chunk() -> None:
    cluster = Cluster("a", "b")
    async with following(cluster) as workers:
        cluster.retiring.add("a")
        await asyncio.sleep(1)
        assert [worker.address for worker in workers.ready] == ["b"]


async def test_a_scheduler_that_is_gone_ends_the_run() -> None:
    cluster = Cluster("a")
    async with following(cluster) as workers:
        worker = await workers.take(orders=300)
        cluster.responds = False
        await asyncio.sleep(1)
        assert worker.gone.is_set()
        assert events[-1].reason == "the Dask scheduler at tls://scheduler:8786 does not respond"
        with pytest.raises(KaspiDeliveryError, match=r"at tls://scheduler:8786 has not responded for 10 s \(OSError\)"):
            await workers.take(orders=1)
        await asyncio.sleep(1)
        with pytest.raises(KaspiDeliveryError, match="start the scheduler and its workers"):
            await workers.take(orders=1)


async def test_a_scheduler_that_is_back_soon_changes_nothing() -> None:
    cluster = Cluster("a")
    async with following(cluster) as workers:
        cluster.responds = False
        await asyncio.sleep(5)
        cluster.responds = True
        assert (await workers.take(orders=1)).address == "a"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            ImportError("No module named 'kaspi_delivery_async'\nHint"),
            "No module named 'kaspi_delivery_async'; install",
        ),
        (ConfigurationError("KASPI_API_KEY is not set there"), "b: KASPI_API_KEY is not set there"),
    ],
)
async def test_a_worker_that_cannot_run_chunks_is_named(problem: BaseException, said: str) -> None:
    cluster = Cluster("a", "b")
    cluster.problems["b"] = problem
    async with following(cluster) as workers:
        assert [worker.address for worker in workers.ready] == ["a"]
        assert said in next(str(event.reason) for event in events if event.reason)
    cluster.problems["a"] = problem
    with pytest.raises(ConfigurationError, match=r"no worker of tls://scheduler:8786 can be used: a: .*; b: "):
        async with following(cluster):
            pass


async def test_a_worker_that_does_not_respond_is_examined_again() -> None:
    cluster = Cluster("a", "b")
    cluster.problems["b"] = OSError("connection reset")
    async with following(cluster) as workers:
        await asyncio.sleep(3)
        assert len(workers.ready) == 1
        cluster.problems.clear()
        await asyncio.sleep(1)
        assert len(workers.ready) == 2
        cluster.busy = {"c"}
        cluster.beating["c"] = True
        await asyncio.sleep(19)
        cluster.busy.clear()
        await asyncio.sleep(3)
        assert len(workers.ready) == 3


@pytest.mark.parametrize("cluster", [Cluster(), Cluster("stopped")])
async def test_a_cluster_on_which_nobody_responds(cluster: Cluster) -> None:
    cluster.beating = dict.fromkeys(cluster.beating, False)
    with pytest.raises(ConfigurationError, match="no Dask scheduler with a worker responds"):
        async with following(cluster):
            pass


def test_a_worker_examines_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "key")
    examine(__version__)
    with pytest.raises(ConfigurationError, match=r"and the run has 0\.0: install that"):
        examine("0.0")
    monkeypatch.delenv("KASPI_API_KEY")
    with pytest.raises(ConfigurationError, match="KASPI_API_KEY is not set there"):
        examine(__version__)
