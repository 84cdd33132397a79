"""Carries an operation through deadline, limiter, retry and transport to its value, or to one typed error."""

from __future__ import annotations

import asyncio
import random
import weakref
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async._call.limiter import Limiter, Queue, shared_limiter
from kaspi_delivery_async._call.observers import start_observers
from kaspi_delivery_async._call.retry import AttemptFailed, Situation, repeating
from kaspi_delivery_async._call.retry_budget import RETRY_COST, TIMEOUT_COST
from kaspi_delivery_async._call.state import Call
from kaspi_delivery_async._call.throttle import is_healthy
from kaspi_delivery_async._transport.deadlines import Deadlines
from kaspi_delivery_async._transport.exchange import exchange, key_header
from kaspi_delivery_async.errors import (
    AuthenticationError,
    DeadlineExceededError,
    KaspiDeliveryError,
    RateLimitedError,
)
from kaspi_delivery_async.instrumentation import CallDetails

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from multidict import CIMultiDict

    from kaspi_delivery_async._call.api_key import ApiKey
    from kaspi_delivery_async._transport.sessions import Sessions
    from kaspi_delivery_async.instrumentation import Instrumentation
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.options import Limits, RetryPolicy, Timeout
    from kaspi_delivery_async.response import Response

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Settings:
    """How an engine calls; see `kaspi_delivery_async.options`."""

    timeout: Timeout
    retry: RetryPolicy
    limits: Limits


@attrs.frozen(kw_only=True)
class Endpoint:
    """Whom an engine calls, and over which connections."""

    base_url: str
    api_key: ApiKey
    sessions: Sessions
    instrumentation: tuple[Instrumentation, ...]


@attrs.frozen(kw_only=True)
class _Lane:
    """What all requests under one API key share on one event loop."""

    loop: weakref.ref[asyncio.AbstractEventLoop]
    api_key: str = attrs.field(repr=False)
    limiter: Limiter
    queue: Queue
    headers: CIMultiDict[str] = attrs.field(repr=False)
    deadlines: Deadlines


class Engine:
    """Makes calls to one endpoint."""

    def __init__(self, endpoint: Endpoint, settings: Settings, *, draw: Callable[[], float] = random.random) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self._details: dict[str, CallDetails] = {}
        self._draw = draw
        self._lane: _Lane | None = None
        self._repeat = repeating(self._attempt, on_wait=_before_wait, draw=draw)

    def value(self, operation: Operation[T]) -> Coroutine[Any, Any, T]:
        """Return the operation's value, or raise one `KaspiDeliveryError` that speaks for all attempts."""
        return self._carry_out(self._call(operation))

    async def response(self, operation: Operation[T]) -> Response[T]:
        """Return the operation's value with all about how it went, or raise as `value` does."""
        call = self._call(operation)
        return call.response(await self._carry_out(call))

    def _call(self, operation: Operation[T]) -> Call[T]:
        observers = start_observers(self.endpoint.instrumentation, self._details_of(operation))
        return Call(operation, observers, clock=asyncio.get_running_loop().time, total=self.settings.timeout.total)

    async def _carry_out(self, call: Call[T]) -> T:
        try:
            value = await self._repeat(call)
        except AttemptFailed as failure:
            error = failure.situation.error
        except BaseException as interruption:
            call.abandon(interruption)
            raise
        else:
            call.succeed()
            return value
        raise call.fail(error) from error.__cause__

    async def _attempt(self, call: Call[T]) -> T:
        """Make one attempt, or raise `AttemptFailed`."""
        try:
            if self.endpoint.api_key.fixed:
                return await self._exchange(call, self.endpoint.api_key.fixed)
            return await self._exchange_under_current_key(call)
        except KaspiDeliveryError as error:
            raise AttemptFailed(self._situation(call, error), call) from None

    async def _exchange_under_current_key(self, call: Call[T]) -> T:
        api_key = await self._current_key(call)
        try:
            return await self._exchange(call, api_key)
        except AuthenticationError:
            # The key may have been rotated since it was asked for; a 401 did no work.
            if call.key_renewed:
                raise
            call.key_renewed = True
            renewed = await self._current_key(call)
            if renewed == api_key:
                raise
            return await self._exchange(call, renewed)

    async def _exchange(self, call: Call[T], api_key: str) -> T:
        """Wait for a turn, send the request, and read its answer."""
        lane, limits = self._lane_of(api_key), self.settings.limits
        call.pace = lane.limiter.pace
        start = call.clock()
        if not lane.queue.try_enter(start, limits):
            await lane.queue.enter(limits, deadline=call.deadline, urgent=call.attempts_made > 0)
            start = call.clock()
        call.begin_attempt()
        attempt_fits = start + self.settings.timeout.attempt <= call.deadline
        status: int | None = None
        failure: BaseException | None = None
        try:
            call.answer = status, headers, body = await exchange(
                self.endpoint.sessions.opened() or await self.endpoint.sessions.open(),
                self.endpoint.base_url,
                call.operation,
                headers=lane.headers,
                deadlines=lane.deadlines if attempt_fits else Deadlines(call.deadline - start),
                start=start,
            )
            return call.operation.parse(status, headers, body)
        except BaseException as error:
            failure = error
            if isinstance(error, RateLimitedError):
                lane.queue.throttle(error.retry_after, draw=self._draw())
                lane.limiter.outlive_its_clients()
            raise
        finally:
            duration = call.end_attempt(start, status=status, error=failure)
            if status is not None and is_healthy(status):
                lane.queue.succeed(duration, limits=limits)
            lane.queue.leave()

    async def _current_key(self, call: Call[T]) -> str:
        limit = asyncio.timeout_at(call.deadline)
        try:
            async with limit:
                return await self.endpoint.api_key.current()
        except TimeoutError:
            if not limit.expired():  # the function's own error
                raise
            raise DeadlineExceededError("the `api_key` function did not return within the call's time") from None

    def _details_of(self, operation: Operation[T]) -> CallDetails:
        details = self._details.get(operation.name)
        if details is None:
            parts = urlsplit(self.endpoint.base_url)
            details = self._details[operation.name] = CallDetails(
                operation=operation.name,
                method=operation.method,
                route=operation.template.path,
                host=parts.hostname or "",
                port=parts.port or (443 if parts.scheme == "https" else 80),
            )
        return details

    def _lane_of(self, api_key: str) -> _Lane:
        lane, loop = self._lane, asyncio.get_running_loop()
        if lane is None or lane.loop() is not loop or lane.api_key != api_key:
            limiter = shared_limiter(api_key, self.endpoint.base_url)
            headers = key_header(api_key)
            headers.update(self.endpoint.sessions.request_headers)
            lane = self._lane = _Lane(
                loop=weakref.ref(loop),
                api_key=api_key,
                limiter=limiter,
                queue=limiter.queue(),
                headers=headers,
                deadlines=Deadlines(self.settings.timeout.attempt),
            )
        return lane

    def _situation(self, call: Call[T], error: KaspiDeliveryError) -> Situation:
        return Situation(
            error=error,
            repeatable=call.operation.repeatable,
            attempt=call.attempts_made,
            elapsed=call.elapsed,
            remaining=call.remaining,
            closed_for=call.pace.closed_until - call.clock(),
            affordable=call.pace.affords(_cost(error)),
            policy=self.settings.retry,
        )


def _before_wait(failure: AttemptFailed, wait: float) -> None:
    call: Call[object] = failure.call
    call.pace.spend(_cost(failure.situation.error))
    call.wait(wait)


def _cost(error: KaspiDeliveryError) -> int:
    return TIMEOUT_COST if isinstance(error, DeadlineExceededError) else RETRY_COST
