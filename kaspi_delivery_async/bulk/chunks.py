"""Chunks of an input, for several machines: `create_deliveries_on` has an `Executor` run them, wherever that is."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any, Literal, Protocol

import attrs

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async.bulk.journal import Journal
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.bulk.results import Paused, Result, refusal, result_of_entry
from kaspi_delivery_async.bulk.runner import create_deliveries
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError, StorageError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files.lines import Line, as_lines

OnPause = Callable[[Paused], object]

CHUNK = 300
"""Orders of a chunk: enough to outweigh its start, and few enough to be repeated when a worker is lost."""

END_TIMEOUT = 10.0
"""Seconds to wait for workers that cannot be reached, until their leases end or their orders do."""

WORKERS_CHECKED_EVERY = 1.0
"""Seconds between looks at the number of workers."""


@attrs.frozen(kw_only=True)
class Job:
    """Settings that a worker runs a chunk with. The API key is not one: each worker has its own KASPI_API_KEY."""

    base_url: str
    journal: str = attrs.field(repr=False)
    """The journal's location, which every worker can reach; a URL may hold a password."""
    concurrency: int
    """Maximum number of orders in flight on a worker."""
    rate: float | None
    """Requests per second of all workers together; None adapts to 429 responses."""
    run_id: str
    """The passage through the input that all chunks belong to."""


@attrs.frozen(kw_only=True)
class Chunk:
    """Consecutive lines of the input."""

    number: int
    lines: tuple[Line, ...] = attrs.field(repr=False)


class Executor(Protocol):
    """Runs chunks, anywhere."""

    @property
    def workers(self) -> int:
        """Number of chunks to run at once; it may change during a run."""
        ...

    async def run(self, job: Job, chunk: Chunk, *, on_pause: OnPause | None) -> list[Result]:
        """Have `run_chunk` called on a worker, on another if that one is lost; raises what `run_chunk` raises.

        ``on_pause`` is called here when `run_chunk` calls it on the worker. Cancelling returns when the chunk
        takes no more orders and those in flight have ended.
        """
        ...


async def run_chunk(job: Job, chunk: Chunk, *, on_pause: OnPause | None = None) -> list[Result]:
    """Create the deliveries of one chunk with a client and a journal of its own.

    Running it a second time sends nothing twice, because the journal holds the results.
    """
    client = DeliveryClient.from_env({**os.environ, "KASPI_BASE_URL": job.base_url})
    async with client, Journal(job.journal, rate=job.rate) as journal:
        results = create_deliveries(
            client, chunk.lines, journal=journal, concurrency=job.concurrency, on_pause=on_pause, run_id=job.run_id
        )
        return [result async for result in results]


async def create_deliveries_on(
    executor: Executor,
    orders: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
    *,
    base_url: str,
    journal: str | os.PathLike[str],
    concurrency: int = 64,
    rate: float | None = None,
    chunk_size: int = CHUNK,
    on_pause: OnPause | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Result]:
    """Create a delivery for each order on the workers of ``executor``, and yield the results, chunk by chunk.

    It behaves as `create_deliveries` does. Whatever ends the run early, an error of a chunk, of the executor or of
    the input, the orders in flight end, and what the journal holds of the chunks in progress is yielded before the
    error is raised. The same call resumes the run.

    Args:
        executor: Runs the chunks, such as `kaspi_delivery_async.bulk.dask.DaskExecutor`.
        orders: The input.
        base_url: The API to call, for all workers; each takes the key from its own KASPI_API_KEY.
        journal: Location of a journal that all workers can reach.
        concurrency: Maximum number of orders in flight on each worker.
        rate: Requests per second of all workers together, whatever their number; the journal's database grants each of
            them its part for less than a second at a time.
        chunk_size: Orders of a chunk.
        on_pause: Called for each worker on which the API asks for a pause longer than a call may last.
        stop: Set it to take no more orders; orders in flight end, and the loop yields their results.

    Raises `ConfigurationError` for a chunk size or concurrency that is not a whole number from 1.

    """
    if any(type(size) is not int or size < 1 for size in (chunk_size, concurrency)):
        raise ConfigurationError("create_deliveries_on: chunk_size and concurrency must be whole numbers, 1 or more")
    job = Job(
        base_url=base_url,
        journal=os.fspath(journal),
        concurrency=concurrency,
        rate=rate,
        run_id=uuid.uuid4().hex,
    )
    spread = _Spread(executor, job, _cut(as_lines(orders), chunk_size), on_pause)
    stopped = asyncio.ensure_future((stop or asyncio.Event()).wait())
    try:
        while await spread.fill() and not stopped.done():
            for result in await spread.next_results(stopped):
                yield result
    finally:
        stopped.cancel()
        await spread.end()
    if spread.unreported:
        async for result in _from_journal(job, spread.unreported):
            yield result
    if spread.failure is not None:
        raise spread.failure


class _Spread:
    """Chunks in progress on an executor."""

    failure: BaseException | None = None
    """The error that ended the run early."""

    def __init__(self, executor: Executor, job: Job, chunks: AsyncIterator[Chunk], on_pause: OnPause | None) -> None:
        self._executor = executor
        self._job = job
        self._chunks = chunks
        self._on_pause = on_pause
        self._in_flight: dict[asyncio.Task[list[Result]], Chunk] = {}
        self._has_more = True
        self.unreported: list[Chunk] = []
        """Chunks that began, and did not return their results."""

    async def fill(self) -> bool:
        """Give every free worker a chunk; return whether there are results to wait for."""
        try:
            while self._has_more and self.failure is None and len(self._in_flight) < self._executor.workers:
                chunk = await anext(self._chunks, None)
                self._has_more = chunk is not None
                if chunk is not None:
                    self._in_flight[asyncio.create_task(self._run(chunk))] = chunk
        except Exception as error:  # noqa: BLE001 - the input's own; it is raised when what is in flight has ended
            self.failure = error
        return self.failure is None and (self._has_more or bool(self._in_flight))

    async def next_results(self, stopped: asyncio.Future[Literal[True]]) -> list[Result]:
        """Wait until a chunk has ended, or until it is time to look at the number of workers again."""
        waited_for: list[asyncio.Future[Any]] = [*self._in_flight, stopped]
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED, timeout=WORKERS_CHECKED_EVERY)
        return [result for task in [*self._in_flight] if task.done() for result in self._results(task)]

    async def end(self) -> None:
        """Take no more orders, and wait for those in flight."""
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        self.unreported += self._in_flight.values()

    async def _run(self, chunk: Chunk) -> list[Result]:
        return await self._executor.run(self._job, chunk, on_pause=self._on_pause)

    def _results(self, task: asyncio.Task[list[Result]]) -> list[Result]:
        chunk = self._in_flight.pop(task)
        failure = asyncio.CancelledError() if task.cancelled() else task.exception()
        if failure is None:
            return task.result()
        self.failure = self.failure or failure  # raised when what is in flight has ended
        self.unreported.append(chunk)
        return []


async def _from_journal(job: Job, chunks: Iterable[Chunk]) -> AsyncIterator[Result]:
    """Return the results of chunks that did not return them themselves; nothing if the journal cannot be read."""
    with suppress(StorageError, ConfigurationError):
        async with Journal(job.journal) as journal:
            await journal.wait_until_ended(job.run_id, timeout=END_TIMEOUT)
            for chunk in chunks:
                places: dict[str, set[str]] = {}
                for line in chunk.lines:
                    try:
                        order = prepare(line)
                    except InvalidRequestError as error:
                        yield refusal(line.place, None, error)
                    else:
                        places.setdefault(order.key, set()).add(line.place)
                for key, entry in (await journal.of_run(job.run_id, places)).items():
                    if entry.state is not OrderState.PENDING and entry.place in places[key]:
                        yield result_of_entry(entry.place, entry)


async def _cut(lines: AsyncIterator[Line], size: int) -> AsyncIterator[Chunk]:
    number = 0
    chunk: list[Line] = []
    async for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield Chunk(number=number, lines=tuple(chunk))
            number += 1
            chunk = []
    if chunk:
        yield Chunk(number=number, lines=tuple(chunk))
