"""When a failed attempt is repeated, and after how long: a pure decision, and the loop that `backoff` runs over it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import backoff

from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW
from kaspi_delivery_async.errors import ApiError, CertificateError, KaspiDeliveryError, Outcome, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from kaspi_delivery_async.options import RetryPolicy

C = TypeVar("C")
T = TypeVar("T")

RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
"""Answers that may be better next time (Source: AU EX)."""


@attrs.frozen(kw_only=True)
class Situation:
    """All that the decision to repeat an attempt rests on."""

    error: KaspiDeliveryError
    repeatable: bool
    """Whether sending the request twice has the effect of sending it once."""
    attempt: int
    """How many attempts were made."""
    elapsed: float
    """Seconds since the call began."""
    remaining: float
    """Seconds until the call's deadline."""
    closed_for: float
    """Seconds until the pause is over that a 429 asked of everyone; 0 or less if there is none."""
    affordable: bool
    """Whether the shared retry budget still pays for a retry."""
    policy: RetryPolicy


def is_worth_repeating(error: KaspiDeliveryError, *, repeatable: bool) -> bool:
    """Whether an attempt that ended in ``error`` may be made again without harm, and might end better.

    A request that cannot be repeated is sent again only if nothing of it can have arrived. A failure
    that the server kept under the key stays the answer for as long as the key lives.
    """
    if isinstance(error, ApiError):
        return repeatable and error.status in RETRIED_STATUSES and not error.replayed
    if isinstance(error, TransportError) and not isinstance(error, CertificateError):
        return repeatable or error.outcome is Outcome.NOT_SENT
    return False


def next_wait(situation: Situation, *, ceiling: float, draw: float) -> float | None:
    """Return the seconds until the next attempt, or None if there is to be none.

    ``ceiling`` is the longest backoff after this attempt; ``draw`` is evenly distributed over
    [0, 1) (full jitter). ``Retry-After`` is a floor, and the jitter comes on top of it.
    """
    if (
        situation.attempt >= situation.policy.max_attempts
        or not situation.affordable
        or not is_worth_repeating(situation.error, repeatable=situation.repeatable)
    ):
        return None
    wait = (situation.error.retry_after or 0.0) + ceiling * draw
    fits = max(wait, situation.closed_for) < situation.remaining and situation.elapsed + wait < RESEND_WINDOW
    return wait if fits else None


class AttemptFailed(Exception):  # noqa: N818 - a signal between the engine and the loop below, not an error
    """Carries a failed attempt through `backoff`, with the call it belongs to."""

    def __init__(self, situation: Situation, call: Any) -> None:
        super().__init__()
        self.situation = situation
        self.call = call


def repeating(
    attempt: Callable[[C], Awaitable[T]],
    *,
    on_wait: Callable[[AttemptFailed, float], None],
    draw: Callable[[], float] = random.random,
) -> Callable[[C], Awaitable[T]]:
    """Wrap ``attempt`` so that it is repeated for as long as it raises `AttemptFailed` and `next_wait` allows.

    ``on_wait`` hears of each failure that will be followed by another attempt, and of the wait in
    between. The last `AttemptFailed` comes out. `backoff` takes over at the first failure: it makes
    its plans before an attempt, and most calls need none.
    """

    def waits() -> Generator[float, Any, None]:
        failure: AttemptFailed = yield 0.0  # `backoff` runs up to here before the first failure
        policy = failure.situation.policy
        ceilings = backoff.expo(factor=policy.base, max_value=policy.cap)
        next(ceilings)
        while (wait := next_wait(failure.situation, ceiling=next(ceilings), draw=draw())) is not None:
            failure = yield wait
        # `backoff` takes the end of its waits for the end of trying.

    def announce(details: Any) -> None:
        on_wait(details["exception"], details["wait"])

    @backoff.on_exception(waits, AttemptFailed, jitter=None, on_backoff=announce, logger=None)
    async def go_on(call: C, failures: list[AttemptFailed]) -> T:
        if failures:
            raise failures.pop()
        return await attempt(call)

    async def repeated(call: C) -> T:
        try:
            return await attempt(call)
        except AttemptFailed as failure:
            failures = [failure]
        return await go_on(call, failures)  # out here, later errors do not count as raised while handling the first

    return repeated
