"""Creates deliveries for any number of orders: several at once, each exactly once, results as they come."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kaspi_delivery_async.bulk.decisions import Step, Verdict, put_back, verdict_on_answer, verdict_on_error
from kaspi_delivery_async.bulk.order import UNFINISHED, OrderState, prepare
from kaspi_delivery_async.bulk.results import Paused, Result
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError, KaspiDeliveryError
from kaspi_delivery_async.order_files.lines import as_lines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable

    from kaspi_delivery_async.bulk.journal import Journal
    from kaspi_delivery_async.bulk.journal.claims import Claim, Session
    from kaspi_delivery_async.bulk.order import Order
    from kaspi_delivery_async.client import DeliveryClient
    from kaspi_delivery_async.models import DeliveryRequest
    from kaspi_delivery_async.order_files.lines import Line

AHEAD = 4
"""Orders in the run's hands, as a multiple of the concurrency: written down ahead, or finished and not yet read."""

CALLS = 3
"""Calls that a run makes for an order that comes to no end, before it is left to the next run."""

LONGEST_RUN = 32
"""Characters of a run's name that the journal keeps."""

POLL = 0.2
"""Seconds between looks at an order that another run is sending."""

_logger = logging.getLogger(__name__)


async def create_deliveries(
    client: DeliveryClient,
    orders: AsyncIterable[DeliveryRequest | Line] | Iterable[DeliveryRequest | Line],
    *,
    journal: Journal,
    concurrency: int = 64,
    on_pause: Callable[[Paused], object] | None = None,
    run: str | None = None,
    stop: asyncio.Event | None = None,
) -> AsyncGenerator[Result]:
    """Create a delivery for each order, exactly one, and yield what became of it, in the order of completion.

    Memory is bounded for any input. An order that fails stops nothing; what is wrong with the key,
    the address, the journal or the input itself ends the run: those in flight end first, then the
    error is raised. So does cancelling (Ctrl-C under `asyncio.run`): no more orders are taken, those
    in flight end within the client's `Timeout.total`, and the same call continues later. Leaving the
    loop early does the same as soon as the journal is closed.

    Args:
        client: Sends the requests; its `Limits` and pace hold for the whole run.
        orders: The input, such as `read_orders` or `Journal.unfinished`.
        journal: Open, and for the client's environment.
        concurrency: Orders under way at once, at the most.
        on_pause: Is told when the API wants a rest that outlasts a call. The run pauses, and sends
            the same orders under the same keys afterwards.
        run: A name for this passage through the input, of at most 32 characters, if several calls each
            take a part of it: lines that repeat an order are recognised within a run.
        stop: Set it to end the run early without losing a result: no more orders are taken, those in flight
            end, and the loop still yields the result of each.

    Raises `ConfigurationError` for a concurrency that is no whole number from 1, a name that is too long, and a
    journal of another environment.

    """
    if type(concurrency) is not int or concurrency < 1:
        raise ConfigurationError(
            f"create_deliveries: concurrency is {concurrency!r}; it must be a whole number, 1 or more"
        )
    if run is not None and len(run) > LONGEST_RUN:
        raise ConfigurationError(f"create_deliveries: run is {run!r}; it must have at most {LONGEST_RUN} characters")
    work = _Run(client, journal, concurrency=concurrency, on_pause=on_pause)
    work.session = await journal.begin(urlsplit(client.base_url).netloc, run=run, stop=work.finish)
    try:
        work.start(as_lines(orders), stop)
        while (result := await work.next_result()) is not None:
            yield result
    finally:
        await work.finish()
    if work.failure is not None:
        raise work.failure


class _Run:
    session: Session
    _feeder: asyncio.Task[None]
    failure: BaseException | None = None
    """What ended the run early."""

    def __init__(
        self, client: DeliveryClient, journal: Journal, *, concurrency: int, on_pause: Callable[[Paused], object] | None
    ) -> None:
        self._client = client
        self._journal = journal
        self._on_pause = on_pause
        self._slots = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(AHEAD * concurrency)
        self._under_way: set[asyncio.Task[Result | None]] = set()
        self._results: deque[Result] = deque()
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._paused_until = 0.0
        self._finishing: asyncio.Task[None] | None = None
        self._stopper: asyncio.Task[None] | None = None

    def start(self, lines: AsyncIterable[Line], stop: asyncio.Event | None) -> None:
        self._feeder = asyncio.create_task(self._feed(lines))
        self._feeder.add_done_callback(self._fed)
        if stop is not None:
            self._stopper = asyncio.create_task(self._stop_after(stop))

    async def _stop_after(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._take_no_more()

    def _take_no_more(self) -> None:
        self._stopping.set()
        self._feeder.cancel()

    async def next_result(self) -> Result | None:
        """Wait for a result; None when no more will come."""
        while not self._results:
            if self._feeder.done() and not self._under_way:
                return None
            self._news.clear()
            await self._news.wait()
        self._room.release()
        return self._results.popleft()

    async def finish(self) -> None:
        """Take no more orders, let those under way end, and leave the journal; cancelling it cancels them too."""
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish())
        await self._finishing

    async def _finish(self) -> None:
        self._take_no_more()
        try:
            await asyncio.wait([self._feeder])
            if self._under_way:
                await asyncio.wait(self._under_way)
        finally:
            for task in self._under_way:
                task.cancel()
            if self._stopper is not None:
                self._stopper.cancel()
            await self._journal.leave(self.session)

    async def _feed(self, lines: AsyncIterable[Line]) -> None:
        async for line in lines:
            await self._room.acquire()
            task = asyncio.create_task(self._process(line))
            self._under_way.add(task)
            task.add_done_callback(self._processed)

    def _fed(self, feeder: asyncio.Task[None]) -> None:
        if not feeder.cancelled():
            self.failure = self.failure or feeder.exception()  # what was read before is brought to its end
        self._news.set()

    def _processed(self, task: asyncio.Task[Result | None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            error = task.exception()
            self._fail(error)
            if error is None and (result := task.result()) is not None:
                self._results.append(result)
        self._news.set()

    def _fail(self, error: BaseException | None) -> None:
        if error is not None:
            self.failure = self.failure or error
            self._take_no_more()

    async def _process(self, line: Line) -> Result | None:
        """Bring an order to an end; None if the run ended before it was sent."""
        try:
            order = prepare(line)
        except InvalidRequestError as error:
            return _refused(line.place, None, error)
        calls = 0
        while await self._is_time_to_send():
            claim = await self.session.claim(order)
            if claim.step is Step.WAIT:
                await self._rest(POLL)
            elif claim.step is not Step.SEND:
                return _settled_before(order, claim)
            else:
                verdict = await self._send(order, claim)
                calls += 1
                unfinished = verdict.state in UNFINISHED and calls < CALLS
                if verdict.ends_run or not (verdict.again or unfinished):
                    return _sent(order, verdict)
        return None

    async def _send(self, order: Order, claim: Claim) -> Verdict:
        async with self._slots:
            # The wait for a slot may have outlived the run, or the order's key.
            if self._stopping.is_set() or not self.session.may_send(claim):
                verdict = put_back(may_have_arrived=claim.may_have_arrived)
            else:
                verdict = await self._ask(order, claim)
        await self.session.end(order, claim, verdict)
        return verdict

    async def _ask(self, order: Order, claim: Claim) -> Verdict:
        try:
            response = await self._client.send(order.operation)
        except KaspiDeliveryError as error:
            verdict = verdict_on_error(error, may_have_arrived=claim.may_have_arrived)
            if verdict.ends_run:
                self._fail(error)
            elif verdict.again:
                self._pause(error)
            return verdict
        return verdict_on_answer(response)

    def _pause(self, cause: KaspiDeliveryError) -> None:
        now = asyncio.get_running_loop().time()
        if cause.retry_after is None:
            return
        is_news = now >= self._paused_until
        self._paused_until = max(self._paused_until, now + cause.retry_after)
        if is_news and cause.retry_after > 0:
            _logger.warning("the API wants a rest: pausing for %.0f s", cause.retry_after)
            if self._on_pause is not None:
                self._on_pause(Paused(seconds=cause.retry_after, cause=cause))

    async def _is_time_to_send(self) -> bool:
        """Wait until no pause is in force; False if the run ends."""
        while (left := self._paused_until - asyncio.get_running_loop().time()) > 0 and not self._stopping.is_set():
            await self._rest(left)
        return not self._stopping.is_set()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _settled_before(order: Order, claim: Claim) -> Result:
    """Report an order that is not sent."""
    known = claim.known
    assert known is not None  # noqa: S101 - an order that the journal does not know is sent
    if claim.step is Step.DUPLICATE:
        how = "repeats the order of" if known.fingerprint == order.fingerprint else "contradicts the order of"
        problem = f"{how} {known.place}, with the same order id; nothing was sent for this line"
        return _refused(order.place, order.order_id, InvalidRequestError(order.place, problem))
    if claim.step is Step.CHANGED:
        problem = (
            f"the journal knows this order ({known.state}, from {known.place}) with other content; nothing was sent: "
            "restore the line, or give a new delivery an order id of its own"
        )
        return _refused(order.place, order.order_id, InvalidRequestError(order.place, problem))
    if claim.step is Step.DOUBT:
        return Result(
            place=order.place,
            order_id=order.order_id,
            state=OrderState.IN_DOUBT,
            error="sent more than 23 h ago and never answered; a webhook that names the order settles it",
            error_type="InDoubt",
        )
    return Result(
        place=order.place,
        order_id=order.order_id,
        state=known.state,
        delivery_id=known.delivery_id,
        tracking_url=known.tracking_url,
        known=True,
        error=known.error,
        error_type=None,
    )


def _refused(place: str, order_id: str | None, error: InvalidRequestError) -> Result:
    return Result(
        place=place,
        order_id=order_id,
        state=OrderState.FAILED,
        error=str(error),
        error_type=type(error).__name__,
    )


def _sent(order: Order, verdict: Verdict) -> Result:
    return Result(
        place=order.place,
        order_id=order.order_id,
        state=verdict.state,
        delivery_id=verdict.delivery_id,
        tracking_url=verdict.tracking_url,
        replayed=verdict.replayed,
        error=verdict.error,
        error_type=verdict.error_type,
    )
