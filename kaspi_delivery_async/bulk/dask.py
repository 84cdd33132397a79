"""Runs chunks on a Dask cluster, on this machine or elsewhere; needs the extra ``dask``."""

import asyncio
import importlib
import logging
import multiprocessing
import os
import pickle
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async.bulk.chunks import Chunk, Job, OnPause, run_chunk
from kaspi_delivery_async.bulk.dask_workers import OnWorkers, Worker, Workers, WorkersChanged
from kaspi_delivery_async.bulk.results import Paused, Result
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError, KaspiDeliveryError, Outcome
from kaspi_delivery_async.order_files.lines import Line

__all__ = ["DaskExecutor", "WorkersChanged"]

CONNECTION_TIMEOUT = 10.0
"""Seconds for a scheduler to respond, and for a worker to be there."""

STOP_TIMEOUT = 40.0
"""Seconds to wait for the orders in flight on a worker when a run is stopped: a call takes 30 at most."""

LOSSES = 10
"""Workers that a chunk may lose before the run ends."""

LOSS_PAUSE = 0.5
"""Seconds until a chunk whose worker did not return it is given to another."""

_logger = logging.getLogger(__name__)


class DaskExecutor:
    """Has chunks run by the workers of a Dask cluster; use it as an asynchronous context manager.

    Chunks go to workers directly, not as tasks: nothing of an order is in a task graph or kept by the scheduler. A
    chunk whose worker is lost is run again by another one. Orders, and the journal's location, travel through the
    scheduler: secure a cluster of your own with TLS (docs/bulk.md).
    """

    def __init__(
        self, address: str | None = None, *, processes: int | None = None, on_workers: OnWorkers | None = None
    ) -> None:
        """Choose the cluster; nothing is started yet.

        Args:
            address: An existing scheduler, such as ``tls://host:8786``; None starts a cluster on this machine, which
                only this process can use.
            processes: Workers of a cluster that is started; by default one for each processor.
            on_workers: Called when workers join or leave, and when the run has to wait for them.

        """
        self._address = address
        self._processes = processes
        self._on_workers = on_workers
        self._resources = AsyncExitStack()
        self._client: Any = None
        self._workers: Workers | None = None

    @property
    def workers(self) -> int:
        """How many chunks run at once: one on each worker; 1 while there is none, to wait for it."""
        return max(1, 0 if self._workers is None else len(self._workers.ready))

    async def __aenter__(self) -> Self:
        """Start or join the cluster; raises `ConfigurationError` if that is not possible."""
        if self._address is None and getattr(multiprocessing.current_process(), "_inheriting", False):
            raise SystemExit(1)  # a worker's process that imports the program; the one that started it says why
        distributed = _distributed()
        async with AsyncExitStack() as resources:
            target: Any = self._address
            if target is None:
                target = await self._start_cluster(distributed, resources)
            elif target.startswith("tls://"):
                if distributed.Security().get_connection_args("client").get("ssl_context") is None:
                    raise ConfigurationError(
                        f"the cluster at {target} asks for a certificate: set distributed.comm.tls.ca-file, and cert "
                        "and key of distributed.comm.tls.client, in Dask's configuration"
                    )
            else:
                _logger.warning(
                    "the cluster at %s is not encrypted and lets in everyone who reaches it: they can read orders, and "
                    "the workers' API key; set up TLS and use tls://",
                    target,
                )
            try:
                self._client = await resources.enter_async_context(
                    distributed.Client(target, asynchronous=True, timeout=CONNECTION_TIMEOUT)
                )
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"no Dask scheduler responds at {self._address}: {type(error).__name__}; start one by `dask "
                    "scheduler`, or leave the address out for a cluster on this machine"
                ) from error
            workers = Workers(self._client, self._address or "the cluster", on_change=self._on_workers)
            resources.push_async_callback(workers.close)
            await workers.open(timeout=CONNECTION_TIMEOUT)
            self._workers = workers
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
        if self._workers is None:
            raise ConfigurationError("the executor is not open; use it inside `async with DaskExecutor() as executor:`")
        if on_pause is not None:

            def pause(event: tuple[float, bytes]) -> None:
                on_pause(pickle.loads(event[1]))  # noqa: S301 - as Dask itself does with results

            self._client.subscribe_topic(job.run_id, pause)
        chunk = _transportable(chunk)
        for _ in range(LOSSES):
            worker = await self._workers.take(orders=len(chunk.lines))
            try:
                results = await self._run_on(worker, job, chunk)
            finally:
                self._workers.give_back(worker)
            if results is not None:
                return results
        raise KaspiDeliveryError(
            f"chunk {chunk.number} lost its worker {LOSSES} times; the journal holds what was sent: look at the "
            "workers' logs, and run the same command again",
            outcome=Outcome.UNKNOWN,
        )

    async def _run_on(self, worker: Worker, job: Job, chunk: Chunk) -> list[Result] | None:
        """Run a chunk on a worker; None if the worker is lost meanwhile."""
        call = asyncio.ensure_future(self._client.run(_run, job, chunk, workers=[worker.address], on_error="return"))
        lost = asyncio.ensure_future(worker.gone.wait())
        try:
            await asyncio.wait({call, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                return None
            outcome = (await call)[worker.address]
        except asyncio.CancelledError:
            await self._stop(worker, job, lost)
            raise
        except Exception as error:  # what a lost connection raises differs by Dask's version
            outcome = error
        finally:
            call.cancel()
            lost.cancel()
            await asyncio.gather(call, lost, return_exceptions=True)
        if isinstance(outcome, _Ended):
            if outcome.error is not None:
                raise outcome.error
            return outcome.results
        _logger.info("Dask worker %s did not return chunk %d: %s", worker.address, chunk.number, type(outcome).__name__)
        await asyncio.sleep(LOSS_PAUSE)
        return None

    async def _stop(self, worker: Worker, job: Job, lost: "asyncio.Future[Any]") -> None:
        """Have a worker take no more orders, and wait for those in flight, for as long as it sends heartbeats.

        One that sends none finds out by itself: its lease on the journal has run out.
        """
        stop = asyncio.ensure_future(self._client.run(_stop, job.run_id, workers=[worker.address], on_error="ignore"))
        try:
            await asyncio.wait({stop, lost}, return_when=asyncio.FIRST_COMPLETED, timeout=STOP_TIMEOUT)
        finally:
            stop.cancel()
            await asyncio.gather(stop, return_exceptions=True)

    async def _start_cluster(self, distributed: Any, resources: AsyncExitStack) -> Any:
        try:
            security = distributed.Security.temporary()
        except ImportError as missing:
            raise missing_extra("dask", needs="cryptography", purpose="a cluster on this machine") from missing
        cluster = distributed.LocalCluster(
            n_workers=self._processes or os.cpu_count(),
            threads_per_worker=1,
            host="127.0.0.1",
            # Without it any process of this machine could have the workers run code, with their API key.
            protocol="tls",
            security=security,
            # Its HTTP server cannot be left out; any port lets several runs stand side by side.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            preload=[__name__],
            asynchronous=True,
        )
        try:
            return await resources.enter_async_context(cluster)
        except RuntimeError:
            raise ConfigurationError(
                "the worker processes could not be started; they import the program first, so the part of it that "
                'starts the run must be under `if __name__ == "__main__":`'
            ) from None


def dask_setup(_worker: object) -> None:
    """Let a worker of our own cluster survive Ctrl-C: a terminal interrupts every process, and the run ends its work.

    Dask calls it in each worker process, as this module is its preload.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A heartbeat that meets the end of the run is no news; what fails comes back as an error.
    logging.getLogger("distributed.worker").setLevel(logging.CRITICAL)


@attrs.frozen
class _Ended:
    """How a chunk ended on its worker. Dask would log an error with the arguments of the call."""

    results: list[Result] = attrs.field(repr=False)
    error: BaseException | None


async def _run(job: Job, chunk: Chunk, *, dask_worker: Any) -> _Ended:
    """Run a chunk on a worker, which Dask passes, so that `_stop` finds it."""

    def relay(paused: Paused) -> None:
        dask_worker.log_event(job.run_id, pickle.dumps(paused))

    try:
        return _Ended(await asyncio.create_task(run_chunk(job, chunk, on_pause=relay), name=job.run_id), None)
    except Exception as error:  # it is raised where the run was started
        return _Ended([], error)


async def _stop(name: str) -> None:
    """Have the chunks of a run on this worker take no more orders, and wait for those in flight."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == name]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _transportable(chunk: Chunk) -> Chunk:
    """Return a chunk in which lines that cannot be sent to another process are refused."""
    return attrs.evolve(chunk, lines=tuple(_transportable_line(line) for line in chunk.lines))


def _transportable_line(line: Line) -> Line:
    try:
        pickle.dumps(line)
    except Exception as error:  # it is the order's own
        problem = f"the order cannot be sent to a worker: its data is not plain ({type(error).__name__} in pickling)"
        return Line(place=line.place, order=InvalidRequestError(line.place, problem))
    return line


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as missing:
        raise missing_extra("dask", needs="Dask", purpose="bulk creation on several machines") from missing
