"""Webhook verification: signature and age of a message, and its event. Raw bytes in, one event or one error out."""

import hashlib
import hmac
import re
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NoReturn

import orjson

from kaspi_delivery_async._wire.conversion.converter import structure_tolerantly
from kaspi_delivery_async._wire.conversion.thorough import ConversionError
from kaspi_delivery_async.errors import ConfigurationError, WebhookVerificationError
from kaspi_delivery_async.models import DeliveryWebhook

SIGNATURE_HEADER = "X-Kaspi-Signature"
TIMESTAMP_HEADER = "X-Kaspi-Timestamp"

TOLERANCE = 300
"""Seconds that a message may be older, or newer, than its reception (Source: WH)."""

MALFORMED_BODY = "malformed_body"
"""The reason code of a message that is genuine, but cannot be read."""

Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
"""A request's headers, as any framework hands them over."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-fA-F]{64}")


def system_clock() -> float:
    """Return the time of day, by `time.time` as it is now: tests may have replaced it."""
    return time.time()


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the hex HMAC-SHA256 of ``"{timestamp}.{body}"`` under ``secret``.

    The prose of the vendor's page says that the body alone is signed, its code samples sign this;
    the project follows the samples and accepts nothing else (Source: WH EX).
    """
    return _signature(secret.encode(), str(timestamp), body)


class WebhookVerifier:
    """Checks signature and age of webhook messages; safe to share between tasks and threads.

    Args:
        secrets: The signing secrets of the partner console; several while they rotate.
        clock: Seconds since the epoch, for messages whose time of reception is not given.

    Raises `ConfigurationError` without a secret.

    """

    def __init__(self, secrets: Iterable[str], *, clock: Callable[[], float] = system_clock) -> None:
        found = _encoded(secrets)
        # Out of this frame: a failure report may show the variables of each.
        del secrets
        if isinstance(found, str):
            raise ConfigurationError(found)
        self._secrets = found
        self._clock = clock

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled: the secrets would be in the pickle."""
        raise TypeError("a WebhookVerifier holds secrets and cannot be pickled; make one in the process that uses it")

    def verify(
        self,
        body: bytes,
        headers: Headers,
        received_at: datetime | float | None = None,
    ) -> DeliveryWebhook:
        """Return the event of a message that is genuine and not more than 5 minutes off ``received_at``.

        Args:
            body: The body exactly as it came: parsed and written again, it would not match.
            headers: The request's headers, in any case, as text or bytes.
            received_at: When it came: seconds since the epoch or a datetime with its zone; now if None.

        Raises `WebhookVerificationError` for everything else, with ``reason`` one of
        ``missing_signature``, ``missing_timestamp``, ``repeated_header``, ``malformed_signature``,
        ``malformed_timestamp``, ``body_not_raw``, ``signature_mismatch``, ``too_old``, ``too_new``, and,
        for a genuine message that cannot be read, ``malformed_body``; `ConfigurationError` for a
        ``received_at`` without its zone.

        """
        pairs = _pairs(headers)
        timestamp = _only_value(pairs, TIMESTAMP_HEADER, "timestamp")
        signature = _only_value(pairs, SIGNATURE_HEADER, "signature")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise WebhookVerificationError("malformed_timestamp", f"{TIMESTAMP_HEADER} is not a Unix time in seconds")
        if not _SIGNATURE.fullmatch(signature):
            raise WebhookVerificationError("malformed_signature", f"{SIGNATURE_HEADER} is not 64 hexadecimal digits")
        if not isinstance(body, bytes | bytearray | memoryview):
            raise WebhookVerificationError(
                "body_not_raw", "the body must be the raw bytes of the request, not a parsed object"
            )
        raw = bytes(body)
        # Every secret is tried, so that the time taken does not show which one matched.
        matches = [
            hmac.compare_digest(_signature(secret, timestamp, raw), signature.lower()) for secret in self._secrets
        ]
        if not any(matches):
            raise WebhookVerificationError(
                "signature_mismatch",
                "the signature matches none of the secrets: either the secret is wrong "
                "or the body was modified in transit",
            )
        self._check_age(int(timestamp), unix_seconds(received_at, self._clock))
        return read_event(raw)

    def _check_age(self, timestamp: int, received_at: float) -> None:
        age = received_at - timestamp
        if age > TOLERANCE:
            raise WebhookVerificationError(
                "too_old", f"its timestamp is more than {TOLERANCE} s older than the time of receipt"
            )
        if not age >= -TOLERANCE:
            raise WebhookVerificationError(
                "too_new", f"its timestamp is more than {TOLERANCE} s newer than the time of receipt"
            )


def unix_seconds(moment: datetime | float | None, clock: Callable[[], float]) -> float:
    """Return a moment as seconds since the epoch, now if it is None; raises `ConfigurationError` for anything else."""
    if moment is None:
        return clock()
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError("received_at is a datetime without its zone; give it one, such as UTC")
        return moment.timestamp()
    if not isinstance(moment, int | float):
        raise ConfigurationError("received_at must be seconds since the epoch, or a datetime with its zone")
    return float(moment)


def read_event(body: bytes) -> DeliveryWebhook:
    """Read a message that is known to be genuine; raises `WebhookVerificationError` (``malformed_body``).

    Required are the event's id and type, and the delivery's id and status; what else cannot be read is None.
    """
    try:
        return structure_tolerantly(
            orjson.loads(body.removeprefix(BOM_UTF8)), DeliveryWebhook, source="a webhook event"
        )
    except orjson.JSONDecodeError:
        problem = "it is genuine, but its body is not JSON"
    except ConversionError as error:
        problem = f"it is genuine, but its body is not an event ({error})"
    raise WebhookVerificationError(MALFORMED_BODY, problem)


def _encoded(secrets: Any) -> list[bytes] | str:
    """Return secrets as bytes, or why they cannot be any."""
    listed: list[Any] = [secrets] if isinstance(secrets, str) else []
    if isinstance(secrets, Iterable) and not listed:
        listed = [*secrets]
    if not listed or not all(isinstance(secret, str) and secret for secret in listed):
        return "WebhookVerifier needs at least one signing secret, and none may be empty"
    texts = [str.__str__(secret) for secret in listed]
    if any(text != text.strip() or not text.isprintable() for text in texts):
        return (
            "a signing secret of WebhookVerifier begins or ends with a blank, or has a character that cannot be "
            "printed, such as a line break; copy it again"
        )
    return [text.encode() for text in texts]


def _signature(secret: bytes, timestamp: str, body: bytes) -> str:
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _pairs(headers: Any) -> list[tuple[object, object]]:
    """Read headers once, as they may be a generator; what holds none, such as None, has none.

    The headers of `http.server` have items, but are no mapping.
    """
    try:
        return [(name, value) for name, value in (headers.items() if hasattr(headers, "items") else headers)]
    except (TypeError, ValueError):
        return []


def _only_value(pairs: Iterable[tuple[object, object]], name: str, what: str) -> str:
    found = [_text(value) for key, value in pairs if _text(key).lower() == name.lower()]
    if not found:
        raise WebhookVerificationError(f"missing_{what}", f"there is no {name} header")
    if len(found) > 1:
        raise WebhookVerificationError("repeated_header", f"there is more than one {name} header")
    return found[0]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
