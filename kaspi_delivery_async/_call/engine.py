"""Runs an operation: deadline, limiter, retry, transport; returns its value or raises one typed error."""

from __future__ import annotations

import asyncio
import random
import weakref
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async._call.limiter import Limiter, Priority, Queue, shared_limiter
from kaspi_delivery_async._call.observers import start_observers
from kaspi_delivery_async._call.retry import AttemptFailed, RetryContext, RetryLoop
from kaspi_delivery_async._call.retry_budget import RETRY_COST, TIMEOUT_COST
from kaspi_delivery_async._call.state import CallState
from kaspi_delivery_async._call.throttle import is_healthy
from kaspi_delivery_async._transport.deadlines import Deadlines
from kaspi_delivery_async._transport.exchange import RequestHeaders, exchange
from kaspi_delivery_async.errors import (
    AuthenticationError,
    DeadlineExceededError,
    KaspiDeliveryError,
    Outcome,
    RateLimitedError,
)
from kaspi_delivery_async.instrumentation import CallDetails, LogOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kaspi_delivery_async._call.api_key import ApiKey, Secret
    from kaspi_delivery_async._transport.sessions import Sessions
    from kaspi_delivery_async.instrumentation import Instrumentation
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.options import CallOptions
    from kaspi_delivery_async.response import Response

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Endpoint:
    """The server, the API key and the connections of an engine."""

    base_url: str
    api_key: ApiKey
    sessions: Sessions
    instrumentation: tuple[Instrumentation, ...]


@attrs.frozen(kw_only=True)
class _KeyContext:
    """What all requests under one API key share on one event loop."""

    loop: weakref.ref[asyncio.AbstractEventLoop]
    api_key: Secret
    limiter: Limiter
    queue: Queue
    headers: RequestHeaders
    deadlines: Deadlines


class Engine:
    """Makes calls to one endpoint."""

    def __init__(self, endpoint: Endpoint, options: CallOptions, *, draw: Callable[[], float] = random.random) -> None:
        self.endpoint = endpoint
        self.options = options
        self._details: dict[str, CallDetails] = {}
        self._draw = draw
        self._context: _KeyContext | None = None
        self._retries: RetryLoop[CallState[Any], Any] = RetryLoop(self._attempt, on_wait=_before_wait, draw=draw)

    def value(self, operation: Operation[T]) -> Coroutine[Any, Any, T]:
        """Return the operation's value, or raise one `KaspiDeliveryError` that covers all attempts."""
        return self._run(self._call(operation))

    async def response(self, operation: Operation[T], *, key_age: float = 0.0) -> Response[T]:
        """Return the operation's value with the details of the call, or raise as `value` does."""
        call = self._call(operation, key_age=key_age)
        return call.result(await self._run(call))

    def _call(self, operation: Operation[T], *, key_age: float = 0.0) -> CallState[T]:
        return CallState(
            operation,
            start_observers(self.endpoint.instrumentation, self._details_of(operation)),
            asyncio.get_running_loop().time,
            self.options.timeout.total,
            key_age,
        )

    async def _run(self, call: CallState[T]) -> T:
        try:
            value: T = await self._retries.run(call)
        except AttemptFailed as failure:
            error = failure.context.error
        except BaseException as interruption:
            call.abandon(interruption)
            self._warn(call, interruption)
            raise
        else:
            call.succeed()
            return value
        call.fail(error)
        self._warn(call, error)
        # Without the frames in between, which hold the request.
        raise error.with_traceback(None) from error.__cause__

    def _warn(self, call: CallState[T], error: BaseException) -> None:
        """Log a write that may have been carried out although its caller got no response."""
        if call.outcome is Outcome.UNKNOWN and call.operation.method != "GET":
            for one in self.endpoint.instrumentation:
                if isinstance(one, LogOutput):
                    one.warn(call.operation.name, type(error).__name__, call.operation.idempotency_key)

    async def _attempt(self, call: CallState[T]) -> T:
        """Make one attempt, or raise `AttemptFailed`."""
        try:
            api_key = self.endpoint.api_key.fixed or call.pinned_key
            if api_key is not None:
                return await self._exchange(call, api_key)
            return await self._exchange_under_current_key(call)
        except KaspiDeliveryError as error:
            raise AttemptFailed(self._retry_context(call, error), call) from None

    async def _exchange_under_current_key(self, call: CallState[T]) -> T:
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

    async def _exchange(self, call: CallState[T], api_key: Secret) -> T:
        """Wait for a turn, send the request, and read its response."""
        context, limits = self._context_of(api_key), self.options.limits
        call.throttle = context.limiter.throttle
        start = call.clock()
        if not context.queue.try_enter(start, limits):
            again = call.attempts_made > 0
            await context.queue.enter(limits, deadline=call.deadline, priority=_priority(call), again=again)
            start = call.clock()
        if call.before_attempt is not None:
            try:
                await call.before_attempt(call.deadline)
            except BaseException:
                context.queue.leave()
                raise
            start = call.clock()
        call.begin_attempt()
        attempt_fits = start + self.options.timeout.attempt <= call.deadline
        status: int | None = None
        failure: BaseException | None = None
        try:
            call.response = status, headers, body = await exchange(
                self.endpoint.sessions.current() or await self.endpoint.sessions.create(),
                self.endpoint.base_url,
                call.operation,
                context.headers,
                context.deadlines if attempt_fits else Deadlines(call.deadline - start),
                start,
                call.leave,
            )
            return call.operation.parse(status, headers, body)
        except BaseException as error:
            failure = error
            if isinstance(error, RateLimitedError):
                context.queue.throttle(error.retry_after, draw=self._draw())
            raise
        finally:
            duration = call.end_attempt(start, api_key, status, failure)
            if status is not None and is_healthy(status):
                context.queue.succeed(duration, limits=limits)
            context.queue.leave()

    async def _current_key(self, call: CallState[T]) -> Secret:
        limit = asyncio.timeout_at(call.deadline)
        try:
            async with limit:
                return await self.endpoint.api_key.current()
        except TimeoutError:
            if not limit.expired():  # the function's own error
                raise
            raise DeadlineExceededError("the `api_key` function did not return before the call timed out") from None

    def _details_of(self, operation: Operation[T]) -> CallDetails:
        details = self._details.get(operation.spec.name)
        if details is None:
            parts = urlsplit(self.endpoint.base_url)
            details = self._details[operation.name] = CallDetails(
                operation=operation.name,
                method=operation.method,
                route=operation.spec.path,
                host=parts.hostname or "",
                port=parts.port or (443 if parts.scheme == "https" else 80),
            )
        return details

    def _context_of(self, api_key: Secret) -> _KeyContext:
        context, loop = self._context, asyncio.get_running_loop()
        if context is None or context.loop() is not loop or (
            context.api_key is not api_key and context.api_key != api_key
        ):  # fmt: skip
            limiter = shared_limiter(api_key.reveal(), self.endpoint.base_url)
            context = self._context = _KeyContext(
                loop=weakref.ref(loop),
                api_key=api_key,
                limiter=limiter,
                queue=limiter.queue(),
                headers=RequestHeaders(api_key.reveal(), self.endpoint.sessions.request_headers),
                deadlines=Deadlines(self.options.timeout.attempt),
            )
        return context

    def _retry_context(self, call: CallState[T], error: KaspiDeliveryError) -> RetryContext:
        return RetryContext(
            error=error,
            repeatable=call.operation.repeatable,
            attempt=call.attempts_made,
            key_age=call.key_age(),
            remaining=call.remaining,
            paused_for=call.throttle.paused_until - call.clock(),
            affordable=call.throttle.budget.affords(_cost(error)),
            policy=self.options.retry,
        )


def _priority(call: CallState[Any]) -> Priority:
    if call.operation.method == "GET":
        return Priority.READ
    return Priority.CANCEL if call.operation.name == "cancel_delivery" else Priority.WRITE


def _before_wait(failure: AttemptFailed, wait: float) -> None:
    call: CallState[object] = failure.call
    cost = _cost(failure.context.error)
    call.throttle.budget.spend(cost)
    call.spent += cost
    call.wait(wait)


def _cost(error: KaspiDeliveryError) -> int:
    return TIMEOUT_COST if isinstance(error, DeadlineExceededError) else RETRY_COST
