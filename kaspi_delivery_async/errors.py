"""The errors of this package, as one tree.

::

    KaspiDeliveryError
    ├── ConfigurationError            a setting makes no sense, or the client is closed
    ├── InvalidRequestError           refused before sending: ``.path`` names the field
    ├── TransportError                no readable HTTP response was received
    │   ├── CertificateError          the server's TLS certificate does not hold; never retried
    │   └── DeadlineExceededError     time ran out: of an attempt, of the call, or while waiting for a turn
    ├── ApiError                      the server responded with a status other than 2xx
    │   ├── BadRequestError           400
    │   ├── AuthenticationError       401, key missing or invalid
    │   ├── PermissionDeniedError     403, key disabled
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   │   ├── IdempotencyConflictError   on create: the key is known with another payload
    │   │   └── CancelNotAllowedError      on cancel: too late, or the key is known with another payload
    │   ├── RateLimitedError          429
    │   └── ServerError               5xx
    ├── UnreadableResponseError       a 2xx whose body does not match its schema
    ├── TrackingError
    │   ├── WaitTimeoutError          the status was not reached in time
    │   └── DeliveryCancelledError    the delivery was cancelled on the way
    ├── WebhookVerificationError      ``.reason`` says which rule the message broke
    ├── OutboxConflictError           the outbox holds the order with other content; nothing was enqueued
    └── StorageError                  the database is unreachable, locked or full

Every error has an ``.outcome``, which says what matters after a failed create: whether a courier may already be on the
way. Error messages never quote the request or the response, so they are safe to log; the server's own text is in
``ApiError.message``.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import attrs

from kaspi_delivery_async._generated.models import Delivery


class Outcome(StrEnum):
    """What is known of a failed call's effect on the server."""

    NOT_SENT = "not_sent"
    """No byte of the request can have reached the server."""
    REJECTED = "rejected"
    """The server refused the request; it had no effect."""
    UNKNOWN = "unknown"
    """The request may have been carried out. Repeat it only under the same idempotency key."""


@attrs.frozen(kw_only=True)
class Attempt:
    """One exchange with the server within a call."""

    status: int | None = None
    """HTTP status of the response; None if none could be read."""
    error: str | None = None
    """What went wrong, in a few words; None when the attempt gave the call's result."""
    start: float
    """Seconds from the start of the call to the start of this attempt."""
    duration: float
    """Seconds that this attempt took, reading the body included."""


class KaspiDeliveryError(Exception):
    """Base of every error that this package raises."""

    operation: str | None
    """The operation that failed, such as ``create_delivery``; None outside of a call."""
    outcome: Outcome
    """May a courier already be on the way? Judged over all attempts of the call."""
    attempts: tuple[Attempt, ...]
    """What was tried, in order; empty when nothing was sent."""
    idempotency_key: str | None
    """The key under which the call may be repeated safely for 23 hours; None if it carried none."""
    retry_after: float | None
    """Seconds to wait before the next request, if the server named a time (``Retry-After``)."""

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        outcome: Outcome = Outcome.NOT_SENT,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.outcome = outcome
        self.attempts = ()
        self.idempotency_key = None
        self.retry_after = retry_after

    def conclude(
        self, *, operation: str, outcome: Outcome, attempts: tuple[Attempt, ...], idempotency_key: str | None
    ) -> None:
        """Make the error of the last attempt that of the whole call."""
        self.operation = operation
        self.outcome = outcome
        self.attempts = attempts
        self.idempotency_key = idempotency_key

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.operation}: {text}" if self.operation else text

    def __reduce__(self) -> "tuple[Callable[..., KaspiDeliveryError], tuple[Any, ...]]":
        # The default calls the class with `args` alone, which fails where keywords are required.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[KaspiDeliveryError], args: tuple[Any, ...], state: dict[str, Any]) -> KaspiDeliveryError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(KaspiDeliveryError):
    """A setting makes no sense, or the client can no longer be used; nothing was sent."""


class InvalidRequestError(KaspiDeliveryError):
    """The request was refused before anything was sent."""

    path: str
    """Where the first wrong value is: a JSON path such as ``$.dropoff.contact.phone``, or an argument's name."""
    problems: tuple[tuple[str, str], ...]
    """The path of each wrong value, and what is wrong with it."""

    def __init__(
        self, path: str, problem: str, *, others: Iterable[tuple[str, str]] = (), operation: str | None = None
    ) -> None:
        self.path = path
        self.problems = ((path, problem), *others)
        super().__init__("; ".join(f"{where}: {what}" for where, what in self.problems), operation=operation)


class TransportError(KaspiDeliveryError):
    """No readable HTTP response came back; ``.outcome`` says whether the request can have arrived."""

    retryable: bool = True
    """Whether another attempt could succeed; False where a certificate, a host name or a proxy has to be changed."""


class CertificateError(TransportError):
    """The server's TLS certificate does not hold; nothing was sent, and a retry would not help."""

    retryable = False


class DeadlineExceededError(TransportError):
    """Time ran out: of one attempt, of the whole call, or while waiting for a turn to send."""


class ApiError(KaspiDeliveryError):
    """The server responded with a status other than 2xx."""

    status: int
    """HTTP status of the response."""
    code: str | None
    """The machine-readable code of the error body, such as ``conflict``; None if there was none (Source: RF)."""
    message: str | None
    """The server's own words; may quote personal data, so it is in no text of this error (Source: RF)."""
    replayed: bool
    """Whether the response is an earlier one, kept under the idempotency key (Source: GS AU)."""

    def __init__(
        self,
        summary: str,
        *,
        status: int,
        outcome: Outcome,
        code: str | None = None,
        message: str | None = None,
        operation: str | None = None,
        replayed: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(summary, operation=operation, outcome=outcome, retry_after=retry_after)
        self.status = status
        self.code = code
        self.message = message
        self.replayed = replayed

    def __str__(self) -> str:
        text = super().__str__()
        # Taken by itself, a refusal invites another try under another key, which could order a second courier.
        if 400 <= self.status < 500 and self.outcome is Outcome.UNKNOWN and self.idempotency_key is not None:
            text += "; but an earlier attempt may be at work or done: repeat it under its idempotency key, no other"
        return text


class BadRequestError(ApiError):
    """400: the server found the request malformed; ``.message`` says where."""


class AuthenticationError(ApiError):
    """401: the API key is missing or invalid (Source: AU)."""


class PermissionDeniedError(ApiError):
    """403: the API key is disabled (Source: AU)."""


class NotFoundError(ApiError):
    """404: the server knows no such delivery (Source: RF)."""


class ConflictError(ApiError):
    """409: the request conflicts with the server's state. Never retried."""


class IdempotencyConflictError(ConflictError):
    """409 on create: the idempotency key was used before with another payload (Source: AU)."""


class CancelNotAllowedError(ConflictError):
    """409 on cancel: the parcel has been picked up, or the key was used with another payload (Source: CD RF).

    The response does not say which; ``get_delivery`` shows which it is.
    """


class RateLimitedError(ApiError):
    """429: too many requests; ``.retry_after`` seconds must pass first (Source: RF)."""


class ServerError(ApiError):
    """5xx: the server failed; whether it did the work is unknown."""


class UnreadableResponseError(KaspiDeliveryError):
    """A 2xx response whose body does not match its schema. The request most likely took effect.

    Do not create the delivery again under another key: fetch ``.delivery_id`` where it could be found, or retry
    the call under the same idempotency key.
    """

    status: int
    """HTTP status of the response."""
    body: bytes
    """The first 64 KiB of the body, unpacked if that was possible; may hold personal data."""
    delivery_id: str | None
    """The delivery's id, if one could be found in the body."""

    def __init__(
        self, problem: str, *, status: int, body: bytes, delivery_id: str | None, operation: str | None = None
    ) -> None:
        super().__init__(problem, operation=operation, outcome=Outcome.UNKNOWN)
        self.status = status
        self.body = body
        self.delivery_id = delivery_id


class TrackingError(KaspiDeliveryError):
    """A delivery did not reach the status that was waited for."""

    delivery: Delivery | None
    """The delivery as last seen; None if it was never read."""

    def __init__(self, message: str, *, delivery: Delivery | None, operation: str | None = None) -> None:
        super().__init__(message, operation=operation, outcome=Outcome.UNKNOWN)
        self.delivery = delivery


class WaitTimeoutError(TrackingError):
    """The status was not reached before the wait's own deadline; the delivery goes on."""


class DeliveryCancelledError(TrackingError):
    """The delivery was cancelled before it reached the status that was waited for."""


class WebhookVerificationError(KaspiDeliveryError):
    """A webhook message cannot be trusted or read; ``.reason`` is a stable code for logs and metrics."""

    reason: str
    """A code such as ``signature_mismatch``; the verifier's documentation lists them all."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(f"{problem} ({reason})", operation="verify_webhook", outcome=Outcome.REJECTED)
        self.reason = reason


class OutboxConflictError(KaspiDeliveryError):
    """The outbox holds the order with other content, or another order with its key; nothing was enqueued."""


class StorageError(KaspiDeliveryError):
    """The database is unreachable, locked or full. Retrying later may succeed."""
