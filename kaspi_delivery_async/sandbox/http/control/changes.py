"""Server-sent events: a line whenever something of the sandbox has changed; and which requests concern a delivery."""

import asyncio
from collections.abc import AsyncGenerator

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.http.control.controls import Controls
from kaspi_delivery_async.sandbox.state.logs import RecordedRequest
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord

INTERVAL = 0.1
"""Seconds between two looks, so that a thousand changes a second are ten events."""

_SILENCE = 100  # looks after which a comment is sent, which finds out that the client has gone


async def changes(sandbox: Controls) -> AsyncGenerator[bytes]:
    """Yield an event at first, and whenever deliveries, logs, faults, the clock or the receiver have changed since."""
    seen: object = None
    silent = 0
    while True:
        present = _state(sandbox)
        silent = 0 if present != seen else silent + 1
        if present != seen:
            seen = present
            yield b"event: change\ndata: {}\n\n"
        elif silent % _SILENCE == 0:
            yield b": nothing new\n\n"
        await asyncio.sleep(INTERVAL)


def concerns(record: DeliveryRecord, request: RecordedRequest) -> bool:
    """Whether a request is one about a delivery: its creation, or one with its id in the path."""
    if f"/{record.delivery_id}" in request.path:
        return True
    if request.operation != "create":
        return False
    if request.idempotency_key is not None and request.idempotency_key == record.idempotency_key:
        return True
    return wire_format.dumps(record.external_order_id) in request.body


def _state(sandbox: Controls) -> tuple[object, ...]:
    clock, now = sandbox.clock, asyncio.get_running_loop().time()
    return (
        sandbox.deliveries.changes, sandbox.requests.changes, sandbox.webhook_attempts.changes,
        sandbox.faults.remaining(), sandbox.webhook_url, clock.speed, round(clock.now() - clock.speed * now, 1),
    )  # fmt: skip
