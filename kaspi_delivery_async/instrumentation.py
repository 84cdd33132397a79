"""Hearing of calls as they happen, for logs, traces and metrics: what is told, and to whom.

The details name operation, attempt, status, wait and duration; they never hold a key, a body or
anything personal. A hook that fails is logged and changes nothing for the call.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
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
    """HTTP status; None when no answer could be read."""
    error: str | None
    """What kind of error it ended in; None for a good answer."""
    duration: float
    """Seconds."""


@attrs.frozen(kw_only=True)
class WaitDetails:
    """A wait before another attempt."""

    after_attempt: int
    """The attempt that failed."""
    seconds: float
    """How long it will be."""


@attrs.frozen(kw_only=True)
class CallResult:
    """A call that has ended."""

    attempts: int
    """How many there were."""
    status: int | None
    """HTTP status of the last answer."""
    error: str | None
    """What kind of error was raised; None for success."""
    outcome: Outcome | None
    """What is known of a failed call's effect; None for success."""
    replayed: bool
    """Whether the server answered from its memory of the idempotency key (Source: GS AU)."""
    duration: float
    """Seconds, waits included."""


class CallObserver(Protocol):
    """Hears of one call. Everything is called on the event loop, so nothing may block."""

    def attempt_started(self, number: int) -> None:
        """Hear that an attempt is about to be sent."""

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        """Hear that it has ended, one way or the other."""

    def waiting(self, wait: WaitDetails) -> None:
        """Hear that another attempt will follow."""

    def call_ended(self, result: CallResult) -> None:
        """Hear that the call has ended; nothing follows."""


class Instrumentation(Protocol):
    """Hears of every call of a client; hand it over as ``DeliveryClient(..., instrumentation=[...])``."""

    def call_started(self, call: CallDetails) -> CallObserver | None:
        """Return who is to hear of this call, or None if nobody cares."""
        ...


class LogOutput:
    """Writes calls to the logger ``kaspi_delivery_async``: attempts at DEBUG, retries and failures at INFO."""

    def call_started(self, call: CallDetails) -> CallObserver | None:
        """Return an observer that logs, unless nothing would be shown."""
        return _LoggedCall(call.operation) if logger.isEnabledFor(logging.INFO) else None


@attrs.frozen
class _LoggedCall:
    operation: str

    def attempt_started(self, number: int) -> None:
        """Say nothing yet: its end says more."""

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        shown = attempt.status or attempt.error
        logger.debug("%s: attempt %d: %s after %.3f s", self.operation, attempt.number, shown, attempt.duration)

    def waiting(self, wait: WaitDetails) -> None:
        logger.info("%s: attempt %d failed, next in %.3f s", self.operation, wait.after_attempt, wait.seconds)

    def call_ended(self, result: CallResult) -> None:
        if result.error is not None:
            shown = f"{result.error} ({result.outcome})" if result.outcome else result.error
            logger.info("%s: %s after %d attempts, %.3f s", self.operation, shown, result.attempts, result.duration)
