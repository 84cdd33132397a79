"""Retries: the pure decision whether a failed attempt is made again and after how long, and the loop around it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import backoff

from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW
from kaspi_delivery_async.errors import ApiError, KaspiDeliveryError, Outcome, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from kaspi_delivery_async.options import RetryPolicy

C = TypeVar("C")
T = TypeVar("T")

RETRIED_STATUSES = frozenset({408, 421, 423, 425, 429, 499, 500, 502, 503, 504})
"""Statuses after which another attempt may succeed: Source: AU EX for 429 and 5xx; docs/faults.md for the others."""


@attrs.frozen(kw_only=True)
class RetryContext:
    """Everything on which the decision to retry rests."""

    error: KaspiDeliveryError
    repeatable: bool
    """Whether sending the request twice has the effect of sending it once."""
    attempt: int
    """How many attempts were made."""
    key_age: float
    """Seconds since the idempotency key was first sent; 0 if the request carries none."""
    remaining: float
    """Seconds until the call's deadline."""
    paused_for: float
    """Seconds until the pause is over that a 429 asked of everyone; 0 or less if there is none."""
    affordable: bool
    """Whether the shared retry budget still pays for a retry."""
    policy: RetryPolicy


def is_worth_repeating(error: KaspiDeliveryError, *, repeatable: bool) -> bool:
    """Whether an attempt that ended in ``error`` may be made again without harm, and might end better.

    A request that cannot be repeated is sent again only if nothing of it can have arrived. A failure
    that the server kept under the key is final for as long as the key lives.
    """
    if isinstance(error, ApiError):
        return repeatable and error.status in RETRIED_STATUSES and not error.replayed
    if isinstance(error, TransportError) and error.retryable:
        return repeatable or error.outcome is Outcome.NOT_SENT
    return False


def next_wait(context: RetryContext, *, ceiling: float, draw: float) -> float | None:
    """Return the seconds until the next attempt, or None if there is to be none.

    ``ceiling`` is the longest backoff after this attempt; ``draw`` is evenly distributed over
    [0, 1) (full jitter). ``Retry-After`` is a floor, and the jitter comes on top of it.
    """
    if (
        context.attempt >= context.policy.max_attempts
        or not context.affordable
        or not is_worth_repeating(context.error, repeatable=context.repeatable)
    ):
        return None
    wait = (context.error.retry_after or 0.0) + ceiling * draw
    fits = max(wait, context.paused_for) < context.remaining and context.key_age + wait < RESEND_WINDOW
    return wait if fits else None


class AttemptFailed(Exception):  # a signal between the engine and the loop below, not an error
    """Carries a failed attempt through `backoff`, with the call it belongs to."""

    def __init__(self, context: RetryContext, call: Any) -> None:
        super().__init__()
        self.context = context
        self.call = call


class RetryLoop(Generic[C, T]):
    """Repeats an attempt, by `backoff`, for as long as it raises `AttemptFailed` and `next_wait` allows."""

    def __init__(
        self,
        attempt: Callable[[C], Awaitable[T]],
        *,
        on_wait: Callable[[AttemptFailed, float], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Repeat ``attempt``; call ``on_wait`` before each wait with the failure and the seconds."""
        self._attempt = attempt
        self._on_wait = on_wait
        self._draw = draw
        repeat = backoff.on_exception(self._waits, AttemptFailed, jitter=None, on_backoff=self._announce, logger=None)
        self._repeat = repeat(self._attempt_again)

    async def run(self, call: C) -> T:
        """Return the value of the first attempt that succeeds, or raise the last `AttemptFailed`.

        `backoff` is only entered after the first failure, because setting it up costs more than most calls need.
        """
        try:
            return await self._attempt(call)
        except AttemptFailed as failure:
            failures = [failure]
        return await self._repeat(call, failures)  # out here, later errors are not raised while handling the first

    async def _attempt_again(self, call: C, failures: list[AttemptFailed]) -> T:
        """Raise the first failure, so that `backoff` begins with it; then attempt the call."""
        if failures:
            raise failures.pop()
        return await self._attempt(call)

    def _waits(self) -> Generator[float, Any, None]:
        """Receive failures and yield waits; `backoff` takes the end of this generator for the end of trying."""
        failure: AttemptFailed = yield 0.0  # `backoff` runs up to here before the first failure
        policy = failure.context.policy
        ceilings = backoff.expo(factor=policy.base, max_value=policy.cap)
        next(ceilings)
        while (wait := next_wait(failure.context, ceiling=next(ceilings), draw=self._draw())) is not None:
            failure = yield wait

    def _announce(self, details: Any) -> None:
        self._on_wait(details["exception"], details["wait"])
