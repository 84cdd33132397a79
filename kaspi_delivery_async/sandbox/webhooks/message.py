"""What a webhook looks like on the wire and when its attempts are due: pure functions."""

import hashlib
import hmac

import attrs

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.state.records import Event, PendingEvent
from kaspi_delivery_async.sandbox.wire_format import rfc3339

RESPONSE_LIMIT = 5.0
"""Seconds within which a receiver responds. Source: GS, WH."""

FIRST_RETRY = 60.0
"""Seconds from the first attempt to the second; the interval doubles from then on. Source: WH."""

RETRY_WINDOW = 24 * 3600.0
"""Seconds after the first attempt beyond which none is made. Source: WH."""


def secret_problem(secret: object) -> str | None:
    """Return what is wrong with a signing secret, if anything."""
    if not isinstance(secret, str) or not secret or not secret.isprintable() or secret != secret.strip():
        return "a text of at least one character, without blanks around it"
    return None


def following_attempt(pending: PendingEvent, sent_at: float) -> PendingEvent | None:
    """Plan what comes after an attempt that failed; ``None`` if that would be too late. Source: WH."""
    due = sent_at + FIRST_RETRY * 2.0 ** (pending.attempt - 1)
    if due > pending.first_at + RETRY_WINDOW:
        return None
    return attrs.evolve(pending, attempt=pending.attempt + 1, due=due)


def render(event: Event, attempt: int) -> bytes:
    """Write the body of one attempt. Source: CD, WH."""
    body = {
        "eventId": event.event_id,
        "type": event.type,
        "attempt": attempt,
        "data": {
            "deliveryId": event.delivery_id,
            "externalOrderId": event.external_order_id,
            "status": event.status,
            "timestamp": rfc3339(event.timestamp),
        },
    }
    return wire_format.dumps_irregularly(body, seed=f"{event.event_id}/{attempt}")


def signed_headers(body: bytes, *, secret: str, timestamp: int) -> dict[str, str]:
    """Make the headers of one attempt; what is signed is ``"{timestamp}.{rawBody}"``. Source: WH, EX."""
    signature = hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-Kaspi-Timestamp": str(timestamp), "X-Kaspi-Signature": signature}
