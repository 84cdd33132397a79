"""Creates deliveries for any number of orders: several at once, each exactly once, results as they come."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from functools import partial
from urllib.parse import urlsplit

from kaspi_delivery_async._call.state import BEFORE_ATTEMPT, KEY_AGE, may_have_arrived
from kaspi_delivery_async._exactly_once.decisions import (
    OrderUpdate,
    put_back,
    update_after_error,
    update_after_response,
)
from kaspi_delivery_async._exactly_once.states import UNFINISHED, OrderState
from kaspi_delivery_async.bulk.journal import Journal
from kaspi_delivery_async.bulk.journal.claims import Claims, Send, Skip
from kaspi_delivery_async.bulk.order import Order, prepare
from kaspi_delivery_async.bulk.pauses import Pauses
from kaspi_delivery_async.bulk.results import Paused, Result, refusal, result_of_skip, result_of_update
from kaspi_delivery_async.bulk.steps import Step
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError, KaspiDeliveryError, StorageError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files.lines import Line, as_lines

AHEAD = 4
"""Orders that a run holds, as a multiple of the concurrency: claimed ahead, or finished and not yet read."""

CALLS = 3
"""Calls that a run makes for an order without a final result, before it is left to the next run."""

TURNS = 100
"""Calls in which an order is not sent at all, while no other order of the run ends: then the run ends."""

LONGEST_WAIT = 3600.0
"""Seconds to wait at most for an order that another run is sending."""

POLL = 0.2
"""Seconds between looks at an order that another run is sending."""


async def create_deliveries(
    client: DeliveryClient,
    orders: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
    *,
    journal: Journal,
    concurrency: int = 64,
    on_pause: Callable[[Paused], object] | None = None,
    run_id: str | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Result]:
    """Create a delivery for each order, exactly one, and yield the results in the order of completion.

    Memory is bounded for any input. An order that fails stops nothing. An error that concerns every order, such as
    a wrong API key, address or input, or a journal that cannot be written, ends the run: orders in flight end,
    their results are yielded, then the error is raised. Every run ends: an order is called for at most three times
    without a result, and ten pauses in a row in which no order ends, of at most an hour each, end the run.

    To stop early without losing a result, set ``stop``. Cancelling (Ctrl-C under `asyncio.run`) also lets the orders
    in flight end, within the client's `Timeout.total`; cancelling a second time cancels them. Leaving the loop early
    does the same when the journal is closed. The same call resumes the run later.

    Args:
        client: Sends the requests; its `Limits` hold for the whole run.
        orders: The input, such as `read_orders` or `Journal.unfinished`.
        journal: Open, and for the client's environment.
        concurrency: Maximum number of orders in flight.
        on_pause: Called when the API asks for a pause longer than a call may last. The run waits, then sends the same
            orders under the same keys.
        run_id: Name of this passage through the input, of at most 32 characters, if several calls each take a part of
            it: lines that repeat an order are recognised within it.
        stop: Set it to take no more orders; orders in flight end, and the loop yields their results.

    Raises `ConfigurationError` for a concurrency that is not a whole number from 1, a name that is too long, and a
    journal of another environment.

    """
    if type(concurrency) is not int or concurrency < 1:
        raise ConfigurationError(
            f"create_deliveries: concurrency is {concurrency!r}; it must be a whole number, 1 or more"
        )
    claims = await journal.begin(urlsplit(client.base_url).netloc, run_id=run_id, account=client.api_key_digest)
    run = _Run(client, journal, claims, as_lines(orders), concurrency=concurrency, on_pause=on_pause, stop=stop)
    journal.close_with(run)
    try:
        while (result := await run.next_result()) is not None:
            yield result
    finally:
        await run.finish()
    if run.failure is not None:
        raise run.failure


class _Run:
    failure: BaseException | None = None
    """The error that ended the run early."""

    def __init__(
        self,
        client: DeliveryClient,
        journal: Journal,
        claims: Claims,
        lines: AsyncIterable[Line],
        *,
        concurrency: int,
        on_pause: Callable[[Paused], object] | None,
        stop: asyncio.Event | None,
    ) -> None:
        self._client = client
        self._journal = journal
        self._claims = claims
        self._slots = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(AHEAD * concurrency)
        self._in_hand: dict[str, asyncio.Event] = {}
        """For each order that is worked on, by key, what later lines of the same order wait for."""
        self._tasks: set[asyncio.Task[Result | None]] = set()
        self._results: deque[Result] = deque()
        self._progress = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = 0
        """Orders that came to an end."""
        self._pauses = Pauses(self._stopping, on_pause)
        self._finishing: asyncio.Task[None] | None = None
        self._reader = asyncio.create_task(self._read(lines))
        self._reader.add_done_callback(self._input_ended)
        self._stopper = None if stop is None else asyncio.create_task(self._stop_after(stop))

    async def next_result(self) -> Result | None:
        """Wait for a result; None when no more will come."""
        while not self._results:
            if self._reader.done() and not self._tasks:
                return None
            self._progress.clear()
            await self._progress.wait()
        self._room.release()
        return self._results.popleft()

    def take_no_more(self) -> None:
        """Read no more of the input, and send nothing more."""
        self._stopping.set()
        self._reader.cancel()

    async def finish(self) -> None:
        """Take no more orders, let those in flight end, and close the claims.

        Cancelled, it cancels the orders in flight; the claims are closed all the same, before the journal is.
        """
        self.take_no_more()
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish())
        try:
            await asyncio.shield(self._finishing)
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Cancel the orders in flight at once."""
        for task in self._tasks:
            task.cancel()

    async def _finish(self) -> None:
        await asyncio.wait([self._reader])
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._stopper is not None:
            self._stopper.cancel()
        try:
            await self._claims.close()
        finally:
            self._journal.forget(self)

    async def _stop_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.take_no_more()

    async def _read(self, lines: AsyncIterable[Line]) -> None:
        async for line in lines:
            await self._room.acquire()
            task = asyncio.create_task(self._process(line))
            self._tasks.add(task)
            task.add_done_callback(self._processed)

    def _input_ended(self, reader: asyncio.Task[None]) -> None:
        if not reader.cancelled():
            self.failure = self.failure or reader.exception()  # what was read before is brought to its end
        self._progress.set()

    def _processed(self, task: asyncio.Task[Result | None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                self._fail(error)
            elif (result := task.result()) is not None:
                self._ended += 1
                self._pauses.end_row()
                self._results.append(result)
        self._progress.set()

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.take_no_more()

    async def _process(self, line: Line) -> Result | None:
        """Bring a line's order to an end; None if the run ended before it was sent."""
        try:
            order = prepare(line)
        except InvalidRequestError as error:
            return refusal(line.place, None, error)
        # A line that repeats an order is reported with the result of the line before, so it waits for it.
        while (earlier := self._in_hand.get(order.key)) is not None:
            await earlier.wait()
        ended = self._in_hand[order.key] = asyncio.Event()
        try:
            return await self._finish_order(order)
        finally:
            del self._in_hand[order.key]
            ended.set()

    async def _finish_order(self, order: Order) -> Result | None:
        calls = turns = others_ended = 0
        waited = 0.0
        update: OrderUpdate | None = None
        while await self._pauses.let_pass():
            claim = await self._claims.claim(order)
            if isinstance(claim, Skip):
                if claim.step is not Step.WAIT or waited > LONGEST_WAIT:
                    return result_of_skip(order, claim)
                waited += POLL
                await self._pauses.rest(POLL)
                continue
            update = await self._send(order, claim)
            if update.ends_run:
                return result_of_update(order, update)
            if update.again and update.pause is None and update.error is not None:  # its turn did not come
                turns = turns + 1 if others_ended == self._ended else 1
                others_ended = self._ended
                if turns == TURNS:
                    problem = f"no order of the run could be sent in {turns} calls: {update.error}"
                    self._fail(KaspiDeliveryError(problem))
            if not update.again:
                calls += 1
                if update.state not in UNFINISHED or calls == CALLS:
                    return result_of_update(order, update)
        # The run ended first. What may have arrived is named, as open; the rest is as if it had not been read.
        return result_of_update(order, update) if update is not None and update.state is OrderState.SENT else None

    async def _send(self, order: Order, claim: Send) -> OrderUpdate:
        try:
            await self._slots.acquire()
        except asyncio.CancelledError:
            self._claims.give_back(order, claim)
            raise
        try:
            # The wait for a slot may have outlived the run, the order's key, or the lease.
            if self._stopping.is_set() or not self._claims.may_send(claim):
                update = put_back(may_have_arrived=claim.may_have_arrived)
                await self._claims.end(order, claim, update)
                return update
            # The slot is kept until the result is written down: if that fails, nothing more is sent.
            return await self._note(order, claim, await self._call(order, claim))
        finally:
            self._slots.release()

    async def _call(self, order: Order, claim: Send) -> OrderUpdate:
        try:
            BEFORE_ATTEMPT.set(partial(self._claims.before_attempt, claim))  # for this order's task
            KEY_AGE.set(self._claims.key_age(claim))
            return update_after_response(await self._client.send(order.operation))
        except KaspiDeliveryError as error:
            if not may_have_arrived(error) and not self._claims.may_send(claim):
                return put_back(may_have_arrived=claim.may_have_arrived)
            update = update_after_error(error, may_have_arrived=claim.may_have_arrived)
            is_paused = update.pause is not None and (update.again or update.pause > 0)
            if update.ends_run or (is_paused and not self._pauses.begin(error, update.pause or 0.0)):
                self._fail(error)
            return update
        except asyncio.CancelledError as error:
            if not may_have_arrived(error):
                self._claims.give_back(order, claim)
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's own, such as an `api_key` function's
            self._fail(error)
            return put_back(may_have_arrived=claim.may_have_arrived or may_have_arrived(error))

    async def _note(self, order: Order, claim: Send, update: OrderUpdate) -> OrderUpdate:
        """Write an update down; if the journal cannot be written, the run ends, and the result is reported still."""
        try:
            await self._claims.end(order, claim, update)
        except StorageError as error:
            problem = (
                f"{error}; the journal is behind: it holds orders of this run as sent that have ended. Resume the "
                "run with the same journal, or a copy of it: they are sent again under the same keys"
            )
            self._fail(StorageError(problem))
            return update._replace(ends_run=True)
        return update
