"""What the control API shows: deliveries, faults, requests and attempts as JSON values."""

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults.selection import ArmedFault
from kaspi_delivery_async.sandbox.state.logs import RecordedRequest, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.wire_format import rfc3339

_HIDDEN = frozenset({"x-api-key", "authorization", "cookie"})


def time(clock: Clock) -> dict[str, object]:
    """Show the sandbox clock."""
    now = clock.now()
    return {"now": rfc3339(now), "unix": now, "speed": clock.speed, "nextDue": clock.next_due}


def delivery(record: DeliveryRecord) -> dict[str, object]:
    """Show a delivery with its order and its history."""
    shown = _fields(record, "delivery_id", "external_order_id", "status", "idempotency_key", "request")
    return {**shown, "history": [_fields(entry, "status", "at", "notes") for entry in record.history]}


def fault(armed: ArmedFault) -> dict[str, object]:
    """Show a fault in force."""
    return {"id": str(armed.number), "fault": str(armed.fault), "left": armed.left}


def request(number: int, seen: RecordedRequest) -> dict[str, object]:
    """Show a request, without what proves who sent it."""
    shown = _fields(seen, "at", "method", "path", "operation", "idempotency_key", "status", "replayed", "fault")
    headers = {name: "(hidden)" if name.lower() in _HIDDEN else value for name, value in seen.headers.items()}
    return {"number": number, **shown, "headers": headers, "body": seen.body.decode(errors="replace")}


def attempt(number: int, made: WebhookAttempt) -> dict[str, object]:
    """Show a webhook attempt."""
    names = ("event_id", "type", "delivery_id", "attempt", "at", "url", "status", "error", "duration", "fault")
    return {"number": number, **_fields(made, *names), "headers": dict(made.headers), "body": made.body.decode()}


def _fields(value: object, *names: str) -> dict[str, object]:
    """Take fields of a value under the names that JSON has for them."""
    return {camel(name): getattr(value, name) for name in names}


def camel(name: str) -> str:
    """Write a field's name as JSON has it."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
