"""State of a call in progress: its attempts and the outcome they add up to."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Generic, TypeVar

from kaspi_delivery_async._call.observers import notify
from kaspi_delivery_async._call.throttle import Throttle
from kaspi_delivery_async._wire.headers import is_replay
from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW, KeyAge, Moment
from kaspi_delivery_async.errors import Attempt, KaspiDeliveryError, Outcome, TransportError
from kaspi_delivery_async.instrumentation import AttemptDetails, CallResult, WaitDetails
from kaspi_delivery_async.response import Response, shown_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from kaspi_delivery_async._call.api_key import Secret
    from kaspi_delivery_async._transport.exchange import RawResponse
    from kaspi_delivery_async.instrumentation import CallObserver
    from kaspi_delivery_async.operations import Operation

T = TypeVar("T")

_UNKNOWN_YET = Throttle()
"""Stands in until the API key is known, and with it the throttle; nothing is sent or spent before."""

BEFORE_ATTEMPT: ContextVar[Callable[[float], Awaitable[object]] | None] = ContextVar("BEFORE_ATTEMPT", default=None)
"""Awaited before each attempt, when its turn has come, with the call's deadline; what it raises ends the call.

It is set around a call, and not passed to it: between the two may be a client's subclass, with a `send` of its own.
"""

KEY_AGE: ContextVar[float] = ContextVar("KEY_AGE", default=0.0)
"""Seconds since the idempotency key of such a call was first sent, by an earlier one; set as `BEFORE_ATTEMPT` is."""

_GRAVITY = {Outcome.NOT_SENT: 0, Outcome.REJECTED: 1, Outcome.UNKNOWN: 2}

_OUTCOME = "kaspi_delivery_outcome"


def outcome_of(error: BaseException) -> Outcome:
    """Return what is known of the effect of a call that ``error`` ended, even if it is no error of this package.

    A call also ends by cancellation, or by what the caller's own `api_key` function raises.
    """
    if isinstance(error, KaspiDeliveryError):
        return error.outcome
    return Outcome(vars(error).get(_OUTCOME, Outcome.UNKNOWN))


def may_have_arrived(error: BaseException) -> bool:
    """Whether the request of a call that ``error`` ended may have reached the server."""
    return outcome_of(error) is not Outcome.NOT_SENT


class CallState(Generic[T]):
    """One call; `attempts` and `outcome` grow with it."""

    __slots__ = (
        "_age",
        "_ended",
        "_first_sent",
        "_may_have_left",
        "_observers",
        "before_attempt",
        "clock",
        "deadline",
        "key_renewed",
        "operation",
        "outcome",
        "pinned_key",
        "response",
        "spent",
        "start",
        "throttle",
    )
    response: RawResponse
    """The last one that came."""

    def __init__(
        self,
        operation: Operation[T],
        observers: Sequence[CallObserver],
        clock: Callable[[], float],
        total: float,
        key_age: float,
    ) -> None:
        self.operation = operation
        self.clock = clock
        self.start = start = clock()
        self.deadline = start + total
        self.outcome = Outcome.NOT_SENT
        """The gravest of all attempts: once one may have arrived, a later refusal does not take that back."""
        self.key_renewed = False
        """Whether a 401 made it ask for the API key again."""
        self.pinned_key: Secret | None = None
        """The API key of an attempt that may have arrived: under another, the idempotency key may be unknown."""
        self.throttle = _UNKNOWN_YET
        self.spent = 0
        """Tokens of the retry budget."""
        self.before_attempt = BEFORE_ATTEMPT.get()
        if self.before_attempt is not None:
            key_age = max(key_age, KEY_AGE.get())
        self._first_sent: tuple[float, float, float] | None = (time.time(), start, key_age) if key_age else None
        """When `_age` began to count, on both clocks, with the first send; and the key's age then, if sent before."""
        self._age: KeyAge | None = None
        self._may_have_left = False
        self._ended: list[tuple[int | None, str | None, float, float]] = []
        """Status, problem, start and duration of each attempt."""
        self._observers = observers

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, in order."""
        return tuple(
            [
                Attempt(status=status, error=problem, start=start - self.start, duration=duration)
                for status, problem, start, duration in self._ended
            ]
        )

    @property
    def attempts_made(self) -> int:
        """How many attempts have ended."""
        return len(self._ended)

    @property
    def remaining(self) -> float:
        """Seconds until its deadline."""
        return self.deadline - self.clock()

    def key_age(self) -> float:
        """Return the seconds since the idempotency key was first sent, on the clock that has advanced further."""
        if self._first_sent is None:
            return 0.0
        if self._age is None:
            wall, monotonic, before = self._first_sent
            self._age = KeyAge(Moment(wall, monotonic), seconds=before)
        return self._age.at(Moment(time.time(), self.clock()))

    def begin_attempt(self) -> None:
        """Record that an attempt begins."""
        if self._ended:
            self._may_have_left = False
        if self._observers:
            number = len(self._ended) + 1
            notify(self._observers, lambda observer: observer.attempt_started(number))

    def leave(self) -> None:
        """Record that the request is about to leave; raises `TransportError` if its idempotency key has expired.

        It is called at the last moment: the machine may have been suspended while a connection was being opened.
        """
        if self.operation.idempotency_key is not None:
            if self._first_sent is None:
                self._first_sent = time.time(), self.clock(), 0.0
            elif self.key_age() >= RESEND_WINDOW:
                error = TransportError(
                    "the request was not sent again: its idempotency key was first sent 23 hours ago or earlier, and "
                    "the API may no longer recognise it; look the delivery up, or wait for its webhook"
                )
                error.retryable = False
                raise error
        self._may_have_left = True

    def end_attempt(self, start: float, api_key: Secret, status: int | None, error: BaseException | None) -> float:
        """Record that an attempt ended, with this status or without one; return the seconds that it took."""
        duration = self.clock() - start
        problem = None if error is None or status is not None else str(error)
        self._ended.append((status, problem, start, duration))
        if error is not None:
            self._record_failure(error, api_key)
        if self._observers:
            details = AttemptDetails(number=len(self._ended), status=status, error=_kind(error), duration=duration)
            notify(self._observers, lambda observer: observer.attempt_ended(details))
        return duration

    def _record_failure(self, error: BaseException, api_key: Secret) -> None:
        if isinstance(error, KaspiDeliveryError):
            outcome = error.outcome
        else:
            outcome = Outcome.UNKNOWN if self._may_have_left else Outcome.NOT_SENT
        self.outcome = max(self.outcome, outcome, key=_GRAVITY.__getitem__)
        if outcome is Outcome.UNKNOWN and self.operation.idempotency_key is not None:
            self.pinned_key = api_key

    def wait(self, seconds: float) -> None:
        """Record a wait before another attempt."""
        if self._observers:
            details = WaitDetails(after_attempt=len(self._ended), seconds=seconds)
            notify(self._observers, lambda observer: observer.waiting(details))

    def succeed(self) -> None:
        """End with a value."""
        if self.spent:
            self.throttle.budget.earn(self.spent)  # they were well spent
        if self._observers:
            self._end(None, replayed=is_replay(self.response[1]))

    def result(self, value: T) -> Response[T]:
        """Return the value with the details of the call, when it has succeeded."""
        status, headers, _ = self.response
        return Response(
            value=value,
            status=status,
            headers=shown_headers(headers),
            replayed=is_replay(headers),
            attempts=self.attempts,
            idempotency_key=self.operation.idempotency_key,
        )

    def fail(self, error: KaspiDeliveryError) -> KaspiDeliveryError:
        """End with an error, whose outcome now covers all attempts."""
        error.operation = self.operation.name
        error.outcome = self.outcome
        error.attempts = self.attempts
        error.idempotency_key = self.operation.idempotency_key
        self._end(error)
        return error

    def abandon(self, error: BaseException) -> None:
        """End with an error that is none of this package: a cancellation, or one of the caller's own function."""
        vars(error)[_OUTCOME] = self.outcome
        self._end(error)

    def _end(self, error: BaseException | None, *, replayed: bool = False) -> None:
        if not self._observers:
            return
        result = CallResult(
            attempts=len(self._ended),
            status=self._ended[-1][0] if self._ended else None,
            error=_kind(error),
            outcome=None if error is None else self.outcome,
            idempotency_key=self.operation.idempotency_key,
            replayed=replayed,
            duration=self.clock() - self.start,
            retry_budget=self.throttle.budget.tokens,
        )
        notify(self._observers, lambda observer: observer.call_ended(result))


def _kind(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__
