"""The input cut into chunks, and the protocol between the run and where they run: here, in this process."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kaspi_delivery_async import AuthenticationError, ConfigurationError, DeliveryRequest
from kaspi_delivery_async.bulk import Journal, Paused, Result
from kaspi_delivery_async.bulk.chunks import Chunk, Job, create_deliveries_on, run_chunk
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import counts, made, once, orders, states, until
from tests.support.orders import PERSONAL, order


class Here:
    """Runs chunks on this event loop; it loses the first ``losses`` of them in the middle, and runs them again."""

    def __init__(self, workers: int = 3, *, losses: int = 0) -> None:
        self.workers = workers
        self.losses = losses
        self.jobs: list[Job] = []
        self.chunks: list[Chunk] = []
        self.at_once = self.most_at_once = 0

    async def run(self, job: Job, chunk: Chunk, *, on_pause: Callable[[Paused], object] | None) -> list[Result]:
        self.jobs.append(job)
        self.chunks.append(chunk)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.losses:
            self.losses -= 1
            half = Chunk(number=chunk.number, lines=chunk.lines[: len(chunk.lines) // 2])
            await run_chunk(job, half)
        try:
            return await run_chunk(job, chunk, on_pause=on_pause)
        finally:
            self.at_once -= 1


@pytest.fixture(autouse=True)
def _api_key(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)


async def spread(
    executor: Here, count: int, location: str, sandbox: Sandbox, *, rate: float | None = None
) -> list[Result]:
    results = create_deliveries_on(
        executor, orders(count), base_url=sandbox.base_url, journal=location, chunk_size=20, rate=rate
    )
    return [result async for result in results]


async def test_every_order_is_created_once_by_one_of_the_workers(location: str, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:commit-then-drop:0.05")
    executor = Here()
    assert states(await spread(executor, 110, location, sandbox)) == {"created": 110}
    assert made(sandbox) == once(110)
    assert sorted(len(chunk.lines) for chunk in executor.chunks) == [10, 20, 20, 20, 20, 20]
    assert executor.most_at_once == 3


async def test_a_lost_chunk_runs_again_and_sends_nothing_twice(location: str, sandbox: Sandbox) -> None:
    results = await spread(Here(losses=3), 100, location, sandbox)
    assert states(results) == {"created": 100}
    assert not [result for result in results if result.error]
    assert made(sandbox) == once(100)
    assert sandbox.requests.total == 100


async def test_a_duplicate_in_another_chunk_is_reported(file: str, sandbox: Sandbox) -> None:
    results = create_deliveries_on(
        Here(1), [order("a"), order("b"), order("a")], base_url=sandbox.base_url, journal=file, chunk_size=1
    )
    found = {result.place: result.error async for result in results}
    assert found["order 1"] is None
    assert "repeats the order of order 1" in str(found["order 3"])


async def test_workers_share_the_rate(location: str, sandbox: Sandbox) -> None:
    await spread(Here(4), 60, location, sandbox, rate=100.0)
    times = sorted(request.at for request in sandbox.requests)
    # Of 60 requests at 100 a second the last leaves 0.59 s after the first, whoever sends them.
    assert times[-1] - times[0] > 0.5


async def test_what_ends_a_chunk_ends_the_run(file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "wrong")
    executor = Here(2)
    with pytest.raises(AuthenticationError):
        await spread(executor, 500, file, sandbox)
    assert len(executor.chunks) < 25
    assert executor.at_once == 0


async def test_cancelling_lets_the_orders_in_flight_end(file: str, sandbox: Sandbox) -> None:
    sandbox.faults.add("create:latency:seconds=0.05")
    executor = Here(2)
    results = create_deliveries_on(
        executor, orders(500), base_url=sandbox.base_url, journal=file, chunk_size=100, concurrency=5
    )
    running = asyncio.ensure_future(anext(results))
    await until(lambda: sandbox.requests.total >= 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert executor.at_once == 0
    async with Journal(file) as journal:
        left = await counts(journal)
    assert left.keys() <= {"created", "pending"}
    assert left["created"] == len(sandbox.deliveries) == sandbox.requests.total < 200


async def test_an_input_that_ends_on_a_chunks_border_and_an_empty_one(file: str, sandbox: Sandbox) -> None:
    assert len(await spread(Here(), 40, file, sandbox)) == 40
    assert await spread(Here(), 0, file, sandbox) == []


async def test_a_failing_source_ends_the_run_when_the_orders_in_flight_have_ended(file: str, sandbox: Sandbox) -> None:
    def source() -> Iterator[DeliveryRequest]:
        yield from orders(40)
        raise OSError("the disk is gone")

    executor = Here()
    results = create_deliveries_on(executor, source(), base_url=sandbox.base_url, journal=file, chunk_size=20)
    with pytest.raises(OSError, match="the disk is gone"):
        await anext(results)
    assert executor.at_once == 0
    assert states(await spread(executor, 40, file, sandbox)) == {"created": 40}
    assert made(sandbox) == once(40)


@pytest.mark.parametrize(("chunk_size", "concurrency"), [(0, 1), (1, 0), (1.5, 1), (1, "64"), (None, 1), (1, True)])
async def test_sizes_that_make_no_sense(tmp_path: Path, chunk_size: Any, concurrency: Any) -> None:
    results = create_deliveries_on(
        Here(), [], base_url="https://x", journal=tmp_path / "j", chunk_size=chunk_size, concurrency=concurrency
    )
    with pytest.raises(ConfigurationError, match="whole numbers, 1 or more"):
        await anext(results)


async def test_what_travels_to_workers_shows_nothing(file: str, sandbox: Sandbox) -> None:
    """Dask logs the arguments of a task that fails."""
    executor = Here()
    await spread(executor, 1, file, sandbox)
    shown = f"{executor.jobs!r} {executor.chunks!r}"
    assert not [text for text in (*PERSONAL, file, sandbox.api_key) if text in shown]


class Growing:
    """A cluster that a second worker joins while the first one is at work."""

    def __init__(self) -> None:
        self.workers = 1
        self.begun = 0
        self._has_second = asyncio.Event()

    async def run(self, job: Job, chunk: Chunk, *, on_pause: Callable[[Paused], object] | None) -> list[Result]:
        self.begun += 1
        if self.begun > 1:
            self._has_second.set()
        self.workers = 2
        async with asyncio.timeout(5):
            await self._has_second.wait()
        return []


async def test_a_worker_that_joins_gets_a_chunk_before_another_one_has_ended(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.bulk.chunks.WORKERS_CHECKED_EVERY", 0.02)
    cluster = Growing()
    spread = create_deliveries_on(cluster, orders(2), base_url="http://127.0.0.1:9", journal=file, chunk_size=1)
    assert [result async for result in spread] == []
    assert cluster.begun == 2
