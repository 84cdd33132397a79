"""Hands stored events to the handler: under a lease, several at once, again after a failure."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async.webhooks.decisions import decide
from kaspi_delivery_async.webhooks.verifier import read_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kaspi_delivery_async.models import DeliveryWebhook
    from kaspi_delivery_async.options import RetryPolicy
    from kaspi_delivery_async.webhooks.stored_events import Lease
    from kaspi_delivery_async.webhooks.stores.protocol import Store

    Handler = Callable[[DeliveryWebhook], Awaitable[object]]

LEASE = 30.0
"""Seconds after which the events of a worker that was killed are taken up by another one."""

RENEWAL = LEASE / 3
"""Seconds between renewals of the leases of events that are being handled."""

POLL = 1.0
"""Seconds between looks into the store for what other processes have left, and for retries that are due."""

RETENTION = 7 * 86_400.0
"""Seconds for which handled events are kept to know their duplicates; the vendor repeats for a day (Source: WH)."""

PRUNING = 3600.0
"""Seconds between removals of what is older."""

_logger = logging.getLogger(__name__)


class WorkerKilledError(Exception):
    """Stands for the error of a handler whose whole process ended, each time it was tried."""


class Worker:
    """Handles the events of a store until it is stopped."""

    def __init__(
        self,
        *,
        store: Store,
        handler: Handler,
        policy: RetryPolicy,
        concurrency: int,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._store = store
        self._handler = handler
        self._policy = policy
        self._concurrency = concurrency
        self._clock = clock
        self._draw = draw
        self._name = uuid.uuid4().hex
        self._running: dict[asyncio.Task[None], Lease] = {}
        self._taking: asyncio.Future[Sequence[Lease]] | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Have a look into the store now."""
        self._wake.set()

    async def run(self) -> None:
        """Take up events until cancelled; those that are then being handled go on, until `finish`."""
        loop = asyncio.get_running_loop()
        renewal = pruning = loop.time()
        while True:
            self._wake.clear()
            try:
                await self._take_up()
                if loop.time() >= renewal:
                    renewal = loop.time() + RENEWAL
                    await self._store.renew([*self._running.values()], until=self._clock() + LEASE)
                if loop.time() >= pruning:
                    pruning = loop.time() + PRUNING
                    await self._store.prune(before=self._clock() - RETENTION)
            except Exception:
                _logger.exception("the inbox's store failed; trying again in %g s", POLL)
                await asyncio.sleep(POLL)
            else:
                await self._pause()

    async def finish(self, grace: float) -> None:
        """Wait ``grace`` seconds for the handlers that run, then cancel them and give their events back."""
        handling, taking = self._running.copy(), self._taking
        under_way: list[asyncio.Future[Any]] = [*handling, *([] if taking is None else [taking])]
        if not under_way:
            return
        _, late = await asyncio.wait(under_way, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        leases = [lease for task, lease in handling.items() if task in late]
        if taking is not None and not taking.cancelled() and taking.exception() is None:
            leases += taking.result()
        if not leases:
            return
        try:
            await self._store.release(leases, now=self._clock())
        except Exception:
            _logger.exception("%d events could not be given back; they wait until their leases end", len(leases))

    async def _take_up(self) -> None:
        free = self._concurrency - len(self._running)
        if free == 0:
            return
        now = self._clock()
        leasing = self._store.lease(worker=self._name, now=now, until=now + LEASE, limit=free)
        # A store may take them although nobody waits for it any more: then they must be given back.
        self._taking = asyncio.ensure_future(leasing)
        leases = await asyncio.shield(self._taking)
        self._taking = None
        for lease in leases:
            task = asyncio.create_task(self._handle(lease))
            self._running[task] = lease
            task.add_done_callback(self._ended)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self.wake()

    async def _handle(self, lease: Lease) -> None:
        error: BaseException | None = None
        try:
            if lease.attempt <= self._policy.max_attempts:
                await self._handler(read_event(lease.body))
            else:
                error = WorkerKilledError("its process ended each time that it was handled")
        except (Exception, asyncio.CancelledError) as failure:
            if isinstance(failure, asyncio.CancelledError) and _is_being_cancelled():
                raise
            _logger.warning("attempt %d to handle event %d failed", lease.attempt, lease.number, exc_info=True)
            error = failure
        update = decide(error, attempt=lease.attempt, now=self._clock(), policy=self._policy, draw=self._draw())
        try:
            await self._store.update(lease, update)
        except Exception:
            _logger.exception("event %d was handled, but its store failed; it will be handled again", lease.number)


def _is_being_cancelled() -> bool:
    """Whether this task is cancelled, and not only something that its handler waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
