"""Exit codes of the commands, and what a command says when it failed."""

from enum import IntEnum

from kaspi_delivery_async.errors import (
    ApiError,
    ConfigurationError,
    InvalidRequestError,
    KaspiDeliveryError,
    Outcome,
    UnreadableResponseError,
)

_READING = frozenset({"get_delivery", "wait_for_status", "watch"})


class ExitCode(IntEnum):
    """Exit code of a command."""

    DONE = 0
    """The command did what it was asked to do."""
    FAILED = 1
    """It did not, and no courier can be on the way because of it."""
    USAGE = 2
    """The arguments or settings are wrong; nothing was sent."""
    OUTCOME_UNKNOWN = 3
    """It may have been done: a courier may be on the way."""
    INTERRUPTED = 130
    """The user pressed Ctrl-C; 143 after SIGTERM, as shells count signals."""
    UNREAD = 141
    """The reader of standard output has gone, as before ``head``; what the command did stays done."""


def exit_code(error: KaspiDeliveryError) -> ExitCode:
    """Choose the exit code of a command that ended in ``error``."""
    if isinstance(error, ConfigurationError | InvalidRequestError):
        return ExitCode.USAGE
    return ExitCode.OUTCOME_UNKNOWN if _may_have_acted(error) else ExitCode.FAILED


def explanation(error: KaspiDeliveryError) -> str:
    """Say in one paragraph what went wrong and what to do, without personal data."""
    parts = [str(error)]
    if isinstance(error, UnreadableResponseError) and error.delivery_id is not None:
        parts.append(f"the delivery's id is {error.delivery_id}")
    if error.retry_after:
        parts.append(f"wait {error.retry_after:.0f} s before the next request")
    if _may_have_acted(error) and error.idempotency_key is not None:
        parts.append(repeat_advice(error.idempotency_key))
    return "; ".join(parts)


def repeat_advice(idempotency_key: str) -> str:
    """Say how to repeat a command whose outcome is unknown."""
    return (
        f"it may have been carried out: repeat the command within 23 hours with --idempotency-key {idempotency_key}, "
        "and nothing is done twice"
    )


def error_values(error: KaspiDeliveryError) -> dict[str, object]:
    """Describe an error for programs."""
    values = {
        "event": "error",
        "error": explanation(error),
        "errorType": type(error).__name__,
        "outcome": error.outcome.value,
        "exitCode": int(exit_code(error)),
        "operation": error.operation,
        "status": error.status if isinstance(error, ApiError) else None,
        "path": error.path if isinstance(error, InvalidRequestError) else None,
        "deliveryId": error.delivery_id if isinstance(error, UnreadableResponseError) else None,
        "idempotencyKey": error.idempotency_key,
        "retryAfter": error.retry_after,
    }
    return {name: value for name, value in values.items() if value is not None}


def _may_have_acted(error: KaspiDeliveryError) -> bool:
    return error.outcome is Outcome.UNKNOWN and error.operation not in _READING
