"""A call under way: what was tried so far, and what may have come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from kaspi_delivery_async._call.observers import notify
from kaspi_delivery_async._call.throttle import Pace
from kaspi_delivery_async._wire.headers import is_replay
from kaspi_delivery_async.errors import Attempt, KaspiDeliveryError, Outcome
from kaspi_delivery_async.instrumentation import AttemptDetails, CallResult, WaitDetails
from kaspi_delivery_async.response import Response, shown_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kaspi_delivery_async._transport.exchange import Answer
    from kaspi_delivery_async.instrumentation import CallObserver
    from kaspi_delivery_async.operations import Operation

T = TypeVar("T")

_FREE = Pace()
"""Stands in until the API key is known, and with it the pace; nothing is sent or spent before."""


_GRAVITY = {Outcome.NOT_SENT: 0, Outcome.REJECTED: 1, Outcome.UNKNOWN: 2}


class Call(Generic[T]):
    """One call; `attempts` and `outcome` grow with it."""

    __slots__ = (
        "_ended",
        "_observers",
        "answer",
        "clock",
        "deadline",
        "key_renewed",
        "operation",
        "outcome",
        "pace",
        "start",
    )
    answer: Answer
    """The last one that came."""

    def __init__(
        self, operation: Operation[T], observers: Sequence[CallObserver], *, clock: Callable[[], float], total: float
    ) -> None:
        self.operation = operation
        self.start = clock()
        self.deadline = self.start + total
        self.outcome = Outcome.NOT_SENT
        """The gravest of all attempts: once one may have arrived, a later refusal does not take that back."""
        self.key_renewed = False
        """Whether a 401 made it ask for the API key again."""
        self.pace = _FREE
        self.clock = clock
        self._ended: list[tuple[int | None, str | None, float, float]] = []
        self._observers = observers

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """What was tried, in order."""
        return tuple(
            [
                Attempt(status=status, error=reason, start=start - self.start, duration=duration)
                for status, reason, start, duration in self._ended
            ]
        )

    @property
    def attempts_made(self) -> int:
        """How many attempts have ended."""
        return len(self._ended)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.clock() - self.start

    @property
    def remaining(self) -> float:
        """Seconds until its deadline."""
        return self.deadline - self.clock()

    def begin_attempt(self) -> None:
        """Take note of an attempt that begins."""
        if self._observers:
            number = len(self._ended) + 1
            notify(self._observers, lambda observer: observer.attempt_started(number))

    def end_attempt(self, start: float, *, status: int | None, error: BaseException | None = None) -> float:
        """Take note of an attempt that ended with this status, or without one; return the seconds that it took."""
        duration = self.clock() - start
        reason = None if error is None or status is not None else str(error)
        self._ended.append((status, reason, start, duration))
        if isinstance(error, KaspiDeliveryError):
            self.outcome = max(self.outcome, error.outcome, key=_GRAVITY.__getitem__)
        if self._observers:
            details = AttemptDetails(number=len(self._ended), status=status, error=_kind(error), duration=duration)
            notify(self._observers, lambda observer: observer.attempt_ended(details))
        return duration

    def wait(self, seconds: float) -> None:
        """Take note of a wait before another attempt."""
        if self._observers:
            details = WaitDetails(after_attempt=len(self._ended), seconds=seconds)
            notify(self._observers, lambda observer: observer.waiting(details))

    def succeed(self) -> None:
        """End with a good answer."""
        if self._observers:
            _, headers, _ = self.answer
            self._end(None, replayed=is_replay(headers))

    def response(self, value: T) -> Response[T]:
        """Tell all about how it went, when it went well."""
        status, headers, _ = self.answer
        return Response(
            value=value,
            status=status,
            headers=shown_headers(headers),
            replayed=is_replay(headers),
            attempts=self.attempts,
            idempotency_key=self.operation.idempotency_key,
        )

    def fail(self, error: KaspiDeliveryError) -> KaspiDeliveryError:
        """End with an error, which now speaks for all attempts."""
        error.operation = self.operation.name
        error.outcome = self.outcome
        error.attempts = self.attempts
        error.idempotency_key = self.operation.idempotency_key
        self._end(error, outcome=self.outcome)
        return error

    def abandon(self, error: BaseException) -> None:
        """End without an answer to the caller: it was cancelled, or the caller's own function failed."""
        self._end(error)

    def _end(self, error: BaseException | None, *, outcome: Outcome | None = None, replayed: bool = False) -> None:
        if self._observers:
            result = CallResult(
                attempts=len(self._ended),
                status=self._ended[-1][0] if self._ended else None,
                error=_kind(error),
                outcome=outcome,
                replayed=replayed,
                duration=self.elapsed,
            )
            notify(self._observers, lambda observer: observer.call_ended(result))


def _kind(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__
