"""Creates deliveries on several machines: cuts the input into chunks, and leaves open where they run."""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import TYPE_CHECKING, Protocol

import attrs

from kaspi_delivery_async.bulk.journal import Journal
from kaspi_delivery_async.bulk.runner import create_deliveries
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.options import Limits
from kaspi_delivery_async.order_files.lines import as_lines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable

    from kaspi_delivery_async.bulk.results import Paused, Result
    from kaspi_delivery_async.models import DeliveryRequest
    from kaspi_delivery_async.order_files.lines import Line

    OnPause = Callable[[Paused], object]

CHUNK = 300
"""Orders of a chunk: enough to outweigh its start, and few enough to be repeated when a worker is lost."""


@attrs.frozen(kw_only=True)
class Job:
    """What a worker has to know to run a chunk. The API key is not in it: each worker has its own KASPI_API_KEY."""

    base_url: str
    journal: str = attrs.field(repr=False)
    """The journal's location, which every worker can reach; a URL may hold a password."""
    concurrency: int
    """Orders under way at once on a worker."""
    rate: float | None
    """Requests per second of a worker; None finds out what the API bears."""
    run_id: str
    """The passage through the input that all chunks belong to."""


@attrs.frozen(kw_only=True)
class Chunk:
    """Some lines of the input, one behind the other."""

    number: int
    lines: tuple[Line, ...] = attrs.field(repr=False)


class Executor(Protocol):
    """Where chunks run."""

    workers: int
    """How many chunks run at once."""

    async def run(self, job: Job, chunk: Chunk, *, on_pause: OnPause | None) -> list[Result]:
        """Have `run_chunk` done by a worker; if that one is lost, by another. Raises what `run_chunk` raises.

        ``on_pause`` is told here what `run_chunk` tells on the worker. Cancelling returns when the chunk
        takes no more orders and those in flight have ended.
        """
        ...


async def run_chunk(job: Job, chunk: Chunk, *, on_pause: OnPause | None = None) -> list[Result]:
    """Create the deliveries of one chunk with a client and a journal of its own.

    Running it a second time sends nothing twice: the journal knows what was done.
    """
    settings = {**os.environ, "KASPI_BASE_URL": job.base_url}
    client = DeliveryClient.from_env(settings).with_options(limits=Limits(rate=job.rate))
    async with client, Journal(job.journal) as journal:
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
) -> AsyncGenerator[Result]:
    """Create a delivery for each order on the workers of ``executor``, and yield what became of it, chunk by chunk.

    It behaves as `create_deliveries` does: what ends the run, ends it when the orders in flight have
    ended, and the same call continues it.

    Args:
        executor: Where chunks run, such as `kaspi_delivery_async.bulk.dask.DaskExecutor`.
        orders: The input.
        base_url: The API to call, for all workers; each takes the key from its own KASPI_API_KEY.
        journal: The location of a journal that all workers share.
        concurrency: Orders under way at once on each worker.
        rate: Requests per second of all workers together; it is shared out evenly.
        chunk_size: Orders of a chunk.
        on_pause: Is told when the API wants a rest that outlasts a call, by each worker that meets it.

    Raises `ConfigurationError` for a chunk size or concurrency that is no whole number from 1.

    """
    if any(type(size) is not int or size < 1 for size in (chunk_size, concurrency)):
        raise ConfigurationError("create_deliveries_on: chunk_size and concurrency must be whole numbers, 1 or more")
    job = Job(
        base_url=base_url,
        journal=os.fspath(journal),
        concurrency=concurrency,
        rate=rate and rate / executor.workers,
        run_id=uuid.uuid4().hex,
    )
    chunks = _cut(as_lines(orders), chunk_size)
    under_way: set[asyncio.Task[list[Result]]] = set()
    try:
        more = True
        while more or under_way:
            while more and len(under_way) < executor.workers:
                chunk = await anext(chunks, None)
                more = chunk is not None
                if chunk is not None:
                    under_way.add(asyncio.create_task(executor.run(job, chunk, on_pause=on_pause)))
            if under_way:
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    under_way.discard(task)
                    for result in task.result():
                        yield result
    finally:
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.gather(*under_way, return_exceptions=True)


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
