"""How a command ends: its exit code, and what it says when it failed."""

from enum import IntEnum

from kaspi_delivery_async.errors import (
    ConfigurationError,
    InvalidRequestError,
    KaspiDeliveryError,
    Outcome,
    UnreadableResponseError,
)

_READING = frozenset({"get_delivery", "wait_for_status", "watch"})


class ExitCode(IntEnum):
    """What a shell is told."""

    DONE = 0
    """What was asked for is done."""
    FAILED = 1
    """It is not, and no courier can be on the way because of it."""
    USAGE = 2
    """The arguments or settings are wrong; nothing was sent."""
    OUTCOME_UNKNOWN = 3
    """It may have been done: a courier may be on the way."""
    INTERRUPTED = 130
    """The user pressed Ctrl-C."""


def exit_code(error: KaspiDeliveryError) -> ExitCode:
    """Choose the exit code for a command that ended in ``error``."""
    if isinstance(error, ConfigurationError | InvalidRequestError):
        return ExitCode.USAGE
    return ExitCode.OUTCOME_UNKNOWN if _may_have_acted(error) else ExitCode.FAILED


def explanation(error: KaspiDeliveryError) -> str:
    """Say in one paragraph what went wrong and what to do; no personal data is in it."""
    parts = [str(error)]
    if isinstance(error, UnreadableResponseError) and error.delivery_id is not None:
        parts.append(f"the delivery's id is {error.delivery_id}")
    if error.retry_after:
        parts.append(f"leave the API alone for {error.retry_after:.0f} s")
    if _may_have_acted(error) and error.idempotency_key is not None:
        parts.append(
            "it may have been carried out: repeat the command within 23 hours with "
            f"--idempotency-key {error.idempotency_key}, and nothing is done twice"
        )
    return "; ".join(parts)


def _may_have_acted(error: KaspiDeliveryError) -> bool:
    return error.outcome is Outcome.UNKNOWN and error.operation not in _READING
