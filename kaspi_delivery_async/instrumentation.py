"""Hooks for logs, traces and metrics: the events of a call, and the protocols that receive them.

The details name operation, attempt, status, wait, duration and idempotency key; they never contain the API key, a body
or personal data. A hook that raises is logged and does not affect the call.
"""

import logging
from typing import Protocol

import attrs

from kaspi_delivery_async.errors import Outcome

logger: logging.Logger = logging.getLogger("kaspi_delivery_async")


@attrs.frozen(kw_only=True)
class CallDetails:
    """A call that begins."""

    operation: str
    """Its name, such as ``create_delivery``."""
    method: str
    """HTTP method."""
    route: str
    """The path with a placeholder for the delivery id, the same for every call of the operation."""
    host: str
    """The server's host name."""
    port: int
    """The server's port."""


@attrs.frozen(kw_only=True)
class AttemptDetails:
    """An attempt that has ended."""

    number: int
    """1 for the first."""
    status: int | None
    """HTTP status; None if no response could be read."""
    error: str | None
    """The error's class; None for success."""
    duration: float
    """Seconds."""


@attrs.frozen(kw_only=True)
class WaitDetails:
    """A wait before another attempt."""

    after_attempt: int
    """The attempt that failed."""
    seconds: float
    """Length of the wait."""


@attrs.frozen(kw_only=True)
class CallResult:
    """A call that has ended."""

    attempts: int
    """Number of attempts."""
    status: int | None
    """HTTP status of the last attempt; None if no response could be read."""
    error: str | None
    """The class of what was raised, ``CancelledError`` included; None for success."""
    outcome: Outcome | None
    """What is known of the effect of a call that failed or was cancelled; None for success."""
    idempotency_key: str | None = None
    """The key under which the call may be repeated; None if it carried none."""
    replayed: bool
    """Whether the server sent the result that it had kept under the idempotency key (Source: GS AU)."""
    duration: float
    """Seconds, waits included."""
    retry_budget: float = 500.0
    """Tokens left for retries, of 500, which all clients of the key and host in this process share."""


class CallObserver(Protocol):
    """Receives the events of one call. Everything is called on the event loop, so nothing may block."""

    def attempt_started(self, number: int) -> None:
        """Called before an attempt is sent."""

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        """Called when an attempt has ended, with or without a response."""

    def waiting(self, wait: WaitDetails) -> None:
        """Called before the wait for another attempt."""

    def call_ended(self, result: CallResult) -> None:
        """Called when the call has ended: with a value, an error or a cancellation. Nothing follows."""


class Instrumentation(Protocol):
    """Provides observers for the calls of a client: ``DeliveryClient(..., instrumentation=[...])``."""

    def call_started(self, call: CallDetails) -> CallObserver | None:
        """Return an observer for this call, or None to ignore it."""
        ...


class LogOutput:
    """Writes calls to the logger ``kaspi_delivery_async``.

    Attempts at DEBUG, retries and failures at INFO. At WARNING, one line for each write that ended without a response,
    by an error or a cancellation, and may have been carried out: with the idempotency key under which to repeat it.
    """

    def call_started(self, call: CallDetails) -> CallObserver | None:
        """Return an observer that logs, unless nothing would be shown."""
        return _LoggedCall(call.operation) if logger.isEnabledFor(logging.INFO) else None

    def warn(self, operation: str, error: str, idempotency_key: str | None) -> None:
        """Log a write of unknown outcome."""
        if idempotency_key is None:
            logger.warning("%s: %s; outcome unknown: it may have been carried out", operation, error)
        else:
            logger.warning(
                "%s: %s; outcome unknown: it may have been carried out; repeat it only under its idempotency key %r",
                operation,
                error,
                idempotency_key,
            )


@attrs.frozen
class _LoggedCall:
    operation: str

    def attempt_started(self, number: int) -> None:
        """Log nothing yet: the end of the attempt has all of it."""

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        shown = attempt.status or attempt.error
        logger.debug("%s: attempt %d: %s after %.3f s", self.operation, attempt.number, shown, attempt.duration)

    def waiting(self, wait: WaitDetails) -> None:
        logger.info("%s: attempt %d failed, next in %.3f s", self.operation, wait.after_attempt, wait.seconds)

    def call_ended(self, result: CallResult) -> None:
        if result.error is not None:
            shown = f"{result.error} ({result.outcome})" if result.outcome else result.error
            logger.info("%s: %s after %d attempts, %.3f s", self.operation, shown, result.attempts, result.duration)
