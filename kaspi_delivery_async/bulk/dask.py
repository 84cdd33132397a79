"""Runs chunks on a Dask cluster, on this machine or elsewhere; needs the extra ``dask``."""

import asyncio
import importlib
import logging
import os
import pickle
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async.bulk.chunks import Chunk, Job, OnPause, run_chunk
from kaspi_delivery_async.bulk.results import Paused, Result
from kaspi_delivery_async.errors import ConfigurationError, KaspiDeliveryError, Outcome

CONNECTION_TIMEOUT = 10.0
"""Seconds for a scheduler to respond, and for a worker to be there."""

STOP_TIMEOUT = 40.0
"""Seconds to wait for the orders in flight on the workers when a run is stopped: a call takes 30 at most."""


class DaskExecutor:
    """Has chunks run by Dask workers; use it as an asynchronous context manager.

    A chunk whose worker is lost is run again by another one. Orders, and the journal's location,
    travel through the scheduler: secure an external cluster with TLS, as Dask's documentation describes.
    """

    workers: int
    """How many chunks run at once: one on each worker process there was at the beginning."""

    def __init__(self, address: str | None = None, *, processes: int | None = None) -> None:
        """Choose the cluster; nothing is started yet.

        Args:
            address: An existing scheduler, such as ``tcp://host:8786``; None starts a cluster on this machine.
            processes: Workers of a cluster that is started; by default one for each processor.

        """
        self._address = address
        self._processes = processes
        self._resources = AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> Self:
        """Start or join the cluster; raises `ConfigurationError` if that is not possible."""
        distributed = _distributed()
        async with AsyncExitStack() as resources:
            target: Any = self._address
            if target is None:
                target = await resources.enter_async_context(
                    distributed.LocalCluster(
                        n_workers=self._processes or os.cpu_count(),
                        threads_per_worker=1,
                        host="127.0.0.1",
                        # Its HTTP server cannot be left out; any port lets several runs stand side by side.
                        dashboard_address="127.0.0.1:0",
                        scheduler_kwargs={"dashboard": False},
                        preload=[__name__],
                        asynchronous=True,
                    )
                )
            try:
                self._client = await resources.enter_async_context(
                    distributed.Client(target, asynchronous=True, timeout=CONNECTION_TIMEOUT)
                )
                await self._client.wait_for_workers(1, timeout=CONNECTION_TIMEOUT)
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"no Dask scheduler with a worker responds at {self._address}: {type(error).__name__}; start both "
                    "by `dask scheduler` and `dask worker`, or leave the address out for a cluster on this machine"
                ) from error
            self.workers = len(await self._client.nthreads())
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the cluster, and end it if it was started here."""
        await self._resources.aclose()

    async def run(self, job: Job, chunk: Chunk, *, on_pause: OnPause | None) -> list[Result]:
        """See `Executor.run`."""
        is_file = isinstance(parse_location(job.journal), Path)
        if self._address is not None and is_file and not Path(job.journal.removeprefix("sqlite:///")).is_absolute():
            raise ConfigurationError(
                f"the journal {job.journal} is a relative path, which each machine would look up in a directory of its "
                "own; several machines need a PostgreSQL URL"
            )
        if on_pause is not None:

            def pause(event: tuple[float, bytes]) -> None:
                on_pause(pickle.loads(event[1]))  # noqa: S301 - as Dask itself does with results

            self._client.subscribe_topic(job.run_id, pause)
        key = f"kaspi-delivery-{job.run_id}-{chunk.number}"
        future = self._client.submit(_run_named, key, job, chunk, key=key, pure=False)
        try:
            return await future  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            await future.cancel()  # Dask does not stop what has begun, it only begins no more
            with suppress(TimeoutError):  # a worker that does not respond: its lease on the journal runs out by itself
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._client.run(_stop, key, on_error="ignore")
            raise
        except _distributed().KilledWorker as error:
            raise KaspiDeliveryError(
                f"chunk {chunk.number} lost its worker again and again; the journal knows what was sent: look at the "
                "workers' logs, and run the same command again",
                outcome=Outcome.UNKNOWN,
            ) from error


def dask_setup(_worker: object) -> None:
    """Let a worker of our own cluster survive Ctrl-C: a terminal interrupts every process, and the run ends its work.

    Dask calls it in each worker process, as this module is its preload.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A heartbeat that meets the end of the run is no news; what fails comes back as an error.
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)


async def _run_named(name: str, job: Job, chunk: Chunk) -> list[Result]:
    """Run a chunk on a worker so that `_stop` finds it."""
    worker = _distributed().get_worker()

    def relay(paused: Paused) -> None:
        worker.log_event(job.run_id, pickle.dumps(paused))

    return await asyncio.create_task(run_chunk(job, chunk, on_pause=relay), name=name)


async def _stop(name: str) -> None:
    """Have a chunk on this worker take no more orders, and wait for those in flight."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == name]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as missing:
        raise missing_extra("dask", needs="Dask", purpose="bulk creation on several machines") from missing
