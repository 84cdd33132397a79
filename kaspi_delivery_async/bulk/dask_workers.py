"""The workers of a Dask cluster: which are there, which left, and how many orders each has in hand."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.errors import ConfigurationError, KaspiDeliveryError, Outcome

LOOK_EVERY = 0.5
"""Seconds between looks at the scheduler's list of workers."""

LOOK_TIMEOUT = 5.0
"""Seconds for the scheduler to respond to one."""

SCHEDULER_TIMEOUT = 10.0
"""Seconds without a response of the scheduler after which the run ends."""

SILENCE = 6.0
"""Seconds without a heartbeat, which comes twice a second, after which a worker counts as lost."""

WORKER_TIMEOUT = 30.0
"""Seconds without a worker after which the run ends."""

EXAMINATION_TIMEOUT = 20.0
"""Seconds for a new worker to import the package."""

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class WorkersChanged:
    """Workers joined a run or left it, or the run waits for them."""

    in_flight: Mapping[str, int]
    """For each worker, by its address, the orders that were handed to it and are not reported yet."""
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Workers that ended, or sent no heartbeat; others take their orders, under the same keys."""
    reason: str | None = None
    """Why the run waits, or does not use a worker."""


OnWorkers = Callable[[WorkersChanged], object]


@attrs.define(eq=False, kw_only=True)
class Worker:
    """A worker that the scheduler names, and that sends heartbeats."""

    address: str
    is_running: bool = True
    """Whether Dask gives it work: it is not being retired, for example."""
    examination: asyncio.Task[None] | None = None
    """Finds out whether it can run chunks; None when it can."""
    orders: int = 0
    """Orders of the chunk that it has; 0 if it is free."""
    gone: asyncio.Event = attrs.field(factory=asyncio.Event)


class Workers:
    """Follows the workers of a cluster, and lends each to one chunk at a time."""

    def __init__(self, client: Any, scheduler: str, *, on_change: OnWorkers | None) -> None:
        """Follow those of a Dask client's scheduler, which messages call ``scheduler``."""
        self._client = client
        self._scheduler = scheduler
        self._on_change = on_change
        self._workers: dict[str, Worker] = {}
        self._heartbeats: dict[str, tuple[float, float]] = {}
        """For each worker, its last heartbeat by the scheduler's clock, and when that was first seen here."""
        self._unfit: dict[str, str] = {}
        """Why workers cannot run chunks."""
        self._changed = asyncio.Event()
        self._failure: KaspiDeliveryError | None = None
        self._responded_at = self._empty_since = asyncio.get_running_loop().time()
        self._following: asyncio.Task[None] | None = None

    @property
    def ready(self) -> list[Worker]:
        """Those that can run chunks."""
        return [worker for worker in self._workers.values() if worker.examination is None and worker.is_running]

    async def open(self, *, timeout: float) -> None:
        """Wait until there is a worker; raises `ConfigurationError` if none comes, or none can run chunks."""
        self._following = asyncio.create_task(self._follow())
        limit = asyncio.get_running_loop().time() + timeout
        while not self.ready or self._examinations():
            if self._unfit and not self._workers:
                raise ConfigurationError(f"no worker of {self._scheduler} can be used: {self._unfitness()}")
            in_time = await self._change(until=None if self._examinations() else limit)
            if self._failure is not None or not in_time:
                raise ConfigurationError(
                    f"no Dask scheduler with a worker responds at {self._scheduler}; start both by `dask scheduler` "
                    "and `dask worker`, or leave the address out for a cluster on this machine"
                )

    async def close(self) -> None:
        """Follow them no longer."""
        tasks = [task for task in (self._following, *self._examinations()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, *, orders: int) -> Worker:
        """Wait for a free worker, and lend it; raises `KaspiDeliveryError` if there is none for too long."""
        while True:
            if self._failure is not None:
                raise self._failure
            for worker in self.ready:
                if not worker.orders:
                    worker.orders = orders
                    return worker
            if not await self._change(until=None if self.ready else self._empty_since + WORKER_TIMEOUT):
                unfitness = f" ({self._unfitness()})" if self._unfit else ""
                raise KaspiDeliveryError(
                    f"{self._scheduler} has had no worker for {WORKER_TIMEOUT:g} s{unfitness}; the journal holds what "
                    "was sent: start workers, and run the same command again",
                    outcome=Outcome.UNKNOWN,
                )

    def give_back(self, worker: Worker) -> None:
        """Let a worker be lent again."""
        worker.orders = 0
        self._changed.set()

    async def _follow(self) -> None:
        while self._failure is None:
            try:
                async with asyncio.timeout(LOOK_TIMEOUT):
                    found = (await self._client.scheduler.identity())["workers"]
            except Exception as error:  # what a lost connection raises differs by Dask's version
                self._miss_scheduler(error)
            else:
                self._responded_at = asyncio.get_running_loop().time()
                self._take_note(found)
            await asyncio.sleep(LOOK_EVERY)

    def _miss_scheduler(self, error: Exception) -> None:
        self._lose([*self._workers], reason=f"the Dask scheduler at {self._scheduler} does not respond")
        if asyncio.get_running_loop().time() >= self._responded_at + SCHEDULER_TIMEOUT:
            self._failure = KaspiDeliveryError(
                f"the Dask scheduler at {self._scheduler} has not responded for {SCHEDULER_TIMEOUT:g} s "
                f"({type(error).__name__}); the journal holds what was sent: start the scheduler and its workers, and "
                "run the same command again",
                outcome=Outcome.UNKNOWN,
            )
            self._changed.set()

    def _take_note(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Compare the scheduler's list of workers with what is known."""
        now = asyncio.get_running_loop().time()
        before = self._heartbeats
        self._heartbeats = {
            address: before[address] if before.get(address, (None,))[0] == one["last_seen"] else (one["last_seen"], now)
            for address, one in found.items()
        }
        alive = {address for address, (_, seen_at) in self._heartbeats.items() if now - seen_at < SILENCE}
        self._unfit = {address: problem for address, problem in self._unfit.items() if address in alive}
        self._lose([address for address in self._workers if address not in alive])
        for address in sorted(alive - self._unfit.keys()):
            worker = self._workers.get(address)
            if worker is None:
                worker = self._workers[address] = Worker(address=address)
                worker.examination = asyncio.create_task(self._examine(worker))
            worker.is_running = found[address]["status"] == "running"

    async def _examine(self, worker: Worker) -> None:
        try:
            async with asyncio.timeout(EXAMINATION_TIMEOUT):
                found = await self._client.run(examine, __version__, workers=[worker.address], on_error="return")
            problem = found[worker.address]
        except Exception as error:  # what a lost connection raises differs by Dask's version
            problem = error
        worker.examination = None
        if problem is None:
            self._announce(joined=(worker.address,))
            return
        del self._workers[worker.address]  # one that did not respond is examined again
        if not isinstance(problem, OSError | TimeoutError):
            self._unfit[worker.address] = f"{worker.address}: {_first_line(problem)}"
            self._announce(reason=f"a worker cannot be used: {self._unfit[worker.address]}")
        self._changed.set()

    def _lose(self, addresses: list[str], *, reason: str | None = None) -> None:
        if not addresses:
            return
        left = [self._workers.pop(address) for address in addresses]
        for worker in left:
            worker.gone.set()
            if worker.examination is not None:
                worker.examination.cancel()
        if not self._workers:
            self._empty_since = asyncio.get_running_loop().time()
            reason = reason or f"no worker is left; waiting for one for at most {WORKER_TIMEOUT:g} s"
        self._announce(left=tuple(worker.address for worker in left if worker.examination is None), reason=reason)

    def _announce(self, *, joined: tuple[str, ...] = (), left: tuple[str, ...] = (), reason: str | None = None) -> None:
        self._changed.set()
        in_flight = {worker.address: worker.orders for worker in self.ready}
        level = logging.WARNING if self._on_change is None else logging.INFO  # or it would be said twice
        for address in joined:
            _logger.info("Dask worker %s joined; there are %d", address, len(in_flight))
        for address in left:
            _logger.log(level, "Dask worker %s left; there are %d", address, len(in_flight))
        if reason is not None:
            _logger.log(level, "%s", reason)
        if self._on_change is not None:
            self._on_change(WorkersChanged(in_flight=in_flight, joined=joined, left=left, reason=reason))

    async def _change(self, *, until: float | None) -> bool:
        """Wait until something has changed; False if that did not happen in time."""
        self._changed.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _examinations(self) -> list[asyncio.Task[None]]:
        return [worker.examination for worker in self._workers.values() if worker.examination is not None]

    def _unfitness(self) -> str:
        return "; ".join(self._unfit.values())


def examine(version: str) -> None:
    """Raise `ConfigurationError` unless chunks of this version of the package can run on this worker.

    A worker without the package cannot even call it, and raises `ImportError`.
    """
    if version != __version__:
        raise ConfigurationError(f"it has kaspi-delivery-async {__version__}, and the run has {version}: install that")
    if not os.environ.get("KASPI_API_KEY"):
        raise ConfigurationError("KASPI_API_KEY is not set there; set it before the worker starts")


def _first_line(problem: BaseException) -> str:
    if isinstance(problem, ConfigurationError):
        return str(problem)
    return f"{type(problem).__name__}: {str(problem).partition(chr(10))[0]}; install kaspi-delivery-async there"
