"""What the control API shows: deliveries, faults, requests and attempts as JSON values."""

from collections.abc import Mapping

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults.selection import ArmedFault
from kaspi_delivery_async.sandbox.state.logs import RecordedRequest, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.wire_format import rfc3339

_HIDDEN = frozenset({"x-api-key", "authorization", "cookie"})


def time(clock: Clock) -> dict[str, object]:
    """Show the sandbox clock."""
    now = clock.now()
    return {"now": rfc3339(now), "unix": now, "speed": clock.speed}


def delivery(record: DeliveryRecord) -> dict[str, object]:
    """Show a delivery with its order and its history."""
    return {
        "deliveryId": record.delivery_id,
        "externalOrderId": record.external_order_id,
        "status": record.status,
        "history": [{"status": entry.status, "at": entry.at, "notes": entry.notes} for entry in record.history],
        "idempotencyKey": record.idempotency_key,
        "request": record.request,
    }


def fault(armed: ArmedFault) -> dict[str, object]:
    """Show a fault in force."""
    return {"id": str(armed.number), "fault": str(armed.fault), "left": armed.left}


def request(seen: RecordedRequest) -> dict[str, object]:
    """Show a request, without what proves who sent it."""
    return {
        "at": seen.at,
        "method": seen.method,
        "path": seen.path,
        "headers": _shown(seen.headers),
        "body": seen.body.decode(errors="replace"),
        "operation": seen.operation,
        "idempotencyKey": seen.idempotency_key,
        "status": seen.status,
        "replayed": seen.replayed,
        "fault": seen.fault,
    }


def attempt(made: WebhookAttempt) -> dict[str, object]:
    """Show a webhook attempt."""
    return {
        "eventId": made.event_id,
        "type": made.type,
        "deliveryId": made.delivery_id,
        "attempt": made.attempt,
        "at": made.at,
        "url": made.url,
        "headers": dict(made.headers),
        "body": made.body.decode(),
        "status": made.status,
        "error": made.error,
        "duration": made.duration,
        "fault": made.fault,
    }


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: "(hidden)" if name.lower() in _HIDDEN else value for name, value in headers.items()}
