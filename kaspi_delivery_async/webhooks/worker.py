"""Runs the handler for stored events: under leases, several at once, again after a failure."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.models import DeliveryWebhook
from kaspi_delivery_async.webhooks.decisions import decide
from kaspi_delivery_async.webhooks.verifier import read_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaspi_delivery_async.options import RetryPolicy
    from kaspi_delivery_async.webhooks.stored_events import Lease
    from kaspi_delivery_async.webhooks.stores.protocol import Store

Handler = Callable[[DeliveryWebhook], Awaitable[object]]

LEASE = 30.0
"""Seconds after which the events of a worker that was killed are taken up by another one."""

RENEWAL = LEASE / 6
"""Seconds between renewals of the leases of events that are being handled."""

CLEAN_UP = 5.0
"""Seconds that a handler whose lease cannot be renewed has to end, from its cancellation to the lease's end."""

POLL = 1.0
"""Seconds between looks into the store for events of other processes, and for retries that are due."""

CANCELLATION = 1.0
"""Seconds that a cancelled handler has to end."""

RETENTION = 7 * 86_400.0
"""Seconds for which handled events are kept to recognise duplicates; the vendor repeats for a day (Source: WH)."""

PRUNING = 3600.0
"""Seconds between removals of older ones."""

_logger = logging.getLogger(__name__)


class WorkerKilledError(Exception):
    """Stands for the error of a handler whose whole process ended, each time it was tried."""


class HandlerTimeoutError(Exception):
    """The handler ran for longer than it may."""


class LeaseLostError(Exception):
    """The handler was cancelled, because the store could not be reached to renew its lease."""


@attrs.define(eq=False)
class _Run:
    """One run of the handler."""

    lease: Lease
    loss: asyncio.TimerHandle | None = None
    """Cancels the handler before the lease ends, unless it is renewed."""
    call: asyncio.Task[BaseException | None] | None = None
    """The handler's own task."""
    is_stuck: bool = False
    """Whether it goes on although it was cancelled."""
    cancelled_by: BaseException | None = None
    """Why it was cancelled."""

    def cancel(self, reason: BaseException | None) -> None:
        if self.call is not None and self.cancelled_by is None:
            self.cancelled_by = reason
            self.call.cancel()

    def hold(self, until: float) -> None:
        """Go on under a lease that ends at a time of the event loop."""
        self.let_go()
        lost = LeaseLostError("the store could not be reached in time to renew the lease")
        self.loss = asyncio.get_running_loop().call_at(until - CLEAN_UP, self.cancel, lost)

    def let_go(self) -> None:
        if self.loss is not None:
            self.loss.cancel()


class Worker:
    """Handles the events of a store until it is stopped."""

    def __init__(
        self,
        *,
        store: Store,
        handler: Handler,
        handler_timeout: float | None,
        policy: RetryPolicy,
        concurrency: int,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._store = store
        self._handler = handler
        self._handler_timeout = handler_timeout
        self._policy = policy
        self._concurrency = concurrency
        self._clock = clock
        self._draw = draw
        self._name = uuid.uuid4().hex
        self._runs: dict[int, tuple[_Run, asyncio.Task[None]]] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._taking: asyncio.Future[Sequence[Lease]] | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Have a look into the store now."""
        self._wake.set()

    async def run(self) -> None:
        """Take up events until cancelled; handlers that are then running go on, until `finish`."""
        loop = asyncio.get_running_loop()
        self._renewing = asyncio.create_task(self._keep_leases())
        pruning = loop.time()
        while True:
            self._wake.clear()
            try:
                await self._take_up()
                if loop.time() >= pruning:
                    pruning = loop.time() + PRUNING
                    await self._store.prune(before=self._clock() - RETENTION)
            except Exception:
                _logger.exception("the inbox's store failed; trying again in %g s", POLL)
                await asyncio.sleep(POLL)
            else:
                await self._pause()

    async def finish(self, grace: float) -> None:
        """Wait ``grace`` seconds for running handlers, then cancel them and give their events back."""
        try:
            await self._wait_for_all(grace)
        finally:
            if self._renewing is not None:
                self._renewing.cancel()
            for run, task in self._runs.values():
                run.cancel(None)
                task.cancel()

    async def _wait_for_all(self, grace: float) -> None:
        runs, taking = [*self._runs.values()], self._taking
        in_progress: list[asyncio.Future[Any]] = [*(task for _, task in runs), *([] if taking is None else [taking])]
        if not in_progress:
            return
        _, late = await asyncio.wait(in_progress, timeout=grace)
        for task in late:
            task.cancel()
        late_runs = [run for run, task in runs if task in late]
        calls = [run.call for run in late_runs if run.call is not None]
        for call in calls:
            call.cancel()
        if late:
            await asyncio.wait([*late, *calls], timeout=CANCELLATION)
        stuck = [run for run in late_runs if run.call is not None and not run.call.done()]
        if stuck:
            _logger.error("%d handlers go on although they were cancelled; closing without them", len(stuck))
        # The lease of a handler that goes on stays until its end, so that no other one starts beside it.
        leases = [run.lease for run in late_runs if run not in stuck]
        if taking is not None and taking.done() and not taking.cancelled() and taking.exception() is None:
            leases += taking.result()
        if not leases:
            return
        try:
            await self._store.release(leases)
        except Exception:
            _logger.exception("%d events could not be given back; they wait until their leases end", len(leases))

    async def _take_up(self) -> None:
        free = self._concurrency - sum(not run.is_stuck for run, _ in self._runs.values())
        if free == 0:
            return
        until = asyncio.get_running_loop().time() + LEASE
        leasing = self._store.lease(worker=self._name, seconds=LEASE, limit=free)
        # A store may lease them although nobody waits for it any more: then they must be given back.
        self._taking = asyncio.ensure_future(leasing)
        leases = await asyncio.shield(self._taking)
        self._taking = None
        for lease in leases:
            if lease.number in self._runs:
                # Its lease had ended while it is being handled here: it goes on under the new one.
                run, _ = self._runs[lease.number]
                run.lease = lease
            else:
                run = _Run(lease=lease)
                task = asyncio.create_task(self._handle(run))
                self._runs[lease.number] = run, task
                task.add_done_callback(partial(self._ended, lease.number))
            run.hold(until)

    async def _keep_leases(self) -> None:
        loop = asyncio.get_running_loop()
        pause = RENEWAL
        while True:
            await asyncio.sleep(pause)
            runs, until, pause = {run for run, _ in self._runs.values()}, loop.time() + LEASE, RENEWAL
            if not runs:
                continue
            try:
                await self._store.renew([run.lease for run in runs], seconds=LEASE)
            except Exception:
                _logger.exception("leases could not be renewed; trying again in %g s", POLL)
                pause = POLL
            else:
                for run in runs.intersection(run for run, _ in self._runs.values()):
                    run.hold(until)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _ended(self, number: int, _task: asyncio.Task[None]) -> None:
        run, _ = self._runs.pop(number)
        run.let_go()
        self.wake()

    async def _handle(self, run: _Run) -> None:
        error = await self._outcome(run)
        lease = run.lease
        if error is not None:
            _logger.warning("attempt %d to handle event %d failed", lease.attempt, lease.number, exc_info=error)
        result = decide(error, attempt=lease.attempt, policy=self._policy, draw=self._draw())
        try:
            await self._store.update(lease, result)
        except Exception:
            _logger.exception("event %d was handled, but its store failed; it will be handled again", lease.number)

    async def _outcome(self, run: _Run) -> BaseException | None:
        """Run the handler; return None, or why it failed."""
        lease = run.lease
        if lease.attempt > self._policy.max_attempts:
            return WorkerKilledError("its process ended each time that it was handled")
        run.call = asyncio.create_task(self._call(lease))
        await asyncio.wait([run.call], timeout=self._handler_timeout)
        if not run.call.done():
            run.cancel(HandlerTimeoutError(f"it ran for more than {self._handler_timeout:g} s"))
            await asyncio.wait([run.call], timeout=CANCELLATION)
        if not run.call.done():
            _logger.error("the handler of event %d goes on although it was cancelled", lease.number)
            # Others may run instead; but this event is handled by no other before it has ended.
            run.is_stuck = True
            self.wake()
            await asyncio.wait([run.call])
        error = run.call.result()
        return run.cancelled_by if isinstance(error, asyncio.CancelledError) and run.cancelled_by else error

    async def _call(self, lease: Lease) -> BaseException | None:
        try:
            await self._handler(read_event(lease.body))
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises, its event is updated
            return error
        return None
