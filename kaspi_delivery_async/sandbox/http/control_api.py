"""The control API under ``/_sandbox/``: what `Sandbox` offers in code, over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import attrs

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.faults.fault import FaultError
from kaspi_delivery_async.sandbox.http.messages import (
    Answer,
    Call,
    RefusedError,
    answer,
    bad_request,
    json_body,
    method_not_allowed,
    not_found,
    refusal,
)
from kaspi_delivery_async.sandbox.wire_format import rfc3339

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kaspi_delivery_async.sandbox.faults.selection import ArmedFault
    from kaspi_delivery_async.sandbox.sandbox import Sandbox
    from kaspi_delivery_async.sandbox.state.logs import RecordedRequest, WebhookAttempt
    from kaspi_delivery_async.sandbox.state.records import DeliveryRecord

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 100_000
_COUNT = re.compile("[0-9]{1,6}")
_LONGEST_ADVANCE = 366 * 86400  # seconds
_HIDDEN = frozenset({"x-api-key", "authorization", "cookie"})


class ControlApi:
    """Answers calls of the control API. Its description is ``openapi/sandbox-control.yaml``."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Control this sandbox."""
        self._sandbox = sandbox
        self._routes: Mapping[tuple[str, ...], Mapping[str, Callable[[Call], Awaitable[Answer]]]] = {
            ("deliveries",): {"GET": self._list_deliveries},
            ("deliveries", "*"): {"GET": self._inspect},
            ("deliveries", "*", "advance"): {"POST": self._advance},
            ("deliveries", "*", "cancel"): {"POST": self._cancel},
            ("time",): {"GET": self._read_time},
            ("time", "advance"): {"POST": self._advance_time},
            ("faults",): {"GET": self._list_faults, "POST": self._add_fault, "DELETE": self._clear_faults},
            ("requests",): {"GET": self._list_requests},
            ("webhook-attempts",): {"GET": self._list_attempts},
            ("reset",): {"POST": self._reset},
        }

    async def answer(self, call: Call) -> Answer:
        """Answer a call; whatever came in, the answer is one of the description's."""
        try:
            collection, *rest = call.segments or ("",)
            pattern = (collection, "*", *rest[1:]) if collection == "deliveries" and rest else call.segments
            handlers = self._routes.get(pattern)
            if handlers is None:
                raise not_found("there is no such path under /_sandbox")
            handler = handlers.get(call.method)
            if handler is None:
                raise method_not_allowed(call.method, ", ".join(handlers))
            return await handler(call)
        except RefusedError as error:
            return refusal(error)
        except ImpossibleMoveError as error:
            return refusal(RefusedError(409, "conflict", str(error)))

    async def _list_deliveries(self, call: Call) -> Answer:
        records = list(self._sandbox.deliveries.values())
        status = call.query.get("status")
        if status is not None:
            if len(status) != 1 or status[0] not in lifecycle.STATUSES:
                raise bad_request(f"query parameter status: expected one of {', '.join(lifecycle.STATUSES)}")
            records = [record for record in records if record.status == status[0]]
        newest = records[-_limit(call) :]
        return answer(200, {"total": len(records), "deliveries": [_delivery(record) for record in newest]})

    async def _inspect(self, call: Call) -> Answer:
        return answer(200, _delivery(self._find(call)))

    async def _advance(self, call: Call) -> Answer:
        body = _fields(call, {"status": str, "notes": str}, required=("status",))
        record = await self._sandbox.advance(self._find(call).delivery_id, body["status"], notes=body.get("notes"))
        return answer(200, _delivery(record))

    async def _cancel(self, call: Call) -> Answer:
        body = _fields(call, {"reason": str}) if call.body else {}
        record = await self._sandbox.cancel(self._find(call).delivery_id, reason=body.get("reason"))
        return answer(200, _delivery(record))

    async def _read_time(self, _call: Call) -> Answer:
        clock = self._sandbox.clock
        return answer(200, {"now": rfc3339(clock.now()), "unix": clock.now(), "speed": clock.speed})

    async def _advance_time(self, call: Call) -> Answer:
        seconds = _fields(call, {"seconds": float}, required=("seconds",))["seconds"]
        if not 0 <= seconds <= _LONGEST_ADVANCE:
            raise bad_request(f"$.seconds: expected 0 to {_LONGEST_ADVANCE}")
        await self._sandbox.clock.advance(float(seconds))
        return await self._read_time(call)

    async def _list_faults(self, _call: Call) -> Answer:
        return answer(200, {"faults": [_fault(armed) for armed in self._sandbox.faults.remaining()]})

    async def _add_fault(self, call: Call) -> Answer:
        text = _fields(call, {"fault": str}, required=("fault",))["fault"]
        try:
            self._sandbox.faults.add(text)
        except FaultError as error:
            raise bad_request(f"$.fault: {error}") from None
        return answer(201, _fault(self._sandbox.faults.remaining()[-1]))

    async def _clear_faults(self, call: Call) -> Answer:
        self._sandbox.faults.clear()
        return await self._list_faults(call)

    async def _list_requests(self, call: Call) -> Answer:
        log = self._sandbox.requests
        return answer(200, {"total": log.total, "requests": [_request(seen) for seen in log[-_limit(call) :]]})

    async def _list_attempts(self, call: Call) -> Answer:
        log = self._sandbox.webhook_attempts
        return answer(200, {"total": log.total, "attempts": [_attempt(made) for made in log[-_limit(call) :]]})

    async def _reset(self, _call: Call) -> Answer:
        await self._sandbox.reset()
        return answer(200, {"status": "reset"})

    def _find(self, call: Call) -> DeliveryRecord:
        delivery_id = call.segments[1]
        record = self._sandbox.deliveries.get(delivery_id)
        if record is None:
            raise not_found(f"there is no delivery {delivery_id!r}")
        return record


def _fields(call: Call, kinds: Mapping[str, type], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check that the body is an object whose known fields are of their kinds; an integer passes as a float."""
    body = json_body(call)
    if not isinstance(body, dict):
        raise bad_request("$: expected an object")
    fields = cast("dict[str, Any]", body)
    for name in required:
        if name not in fields:
            raise bad_request(f"$.{name}: is required")
    for name, kind in kinds.items():
        accepted = (int, float) if kind is float else (kind,)
        if name in fields and type(fields[name]) not in accepted:
            raise bad_request(f"$.{name}: expected {'a number' if kind is float else 'a string'}")
    return fields


def _limit(call: Call) -> int:
    values = call.query.get("limit")
    if values is None:
        return _DEFAULT_LIMIT
    text = values[0] if len(values) == 1 else ""
    if not _COUNT.fullmatch(text) or not 1 <= int(text) <= _MAX_LIMIT:
        raise bad_request(f"query parameter limit: expected 1 to {_MAX_LIMIT}, once")
    return int(text)


def _delivery(record: DeliveryRecord) -> dict[str, Any]:
    return {
        "deliveryId": record.delivery_id,
        "externalOrderId": record.external_order_id,
        "status": record.status,
        "history": [attrs.asdict(entry) for entry in record.history],
        "idempotencyKey": record.idempotency_key,
        "request": record.request,
    }


def _fault(armed: ArmedFault) -> dict[str, Any]:
    return {"fault": str(armed.fault), "left": armed.left}


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: "(hidden)" if name.lower() in _HIDDEN else value for name, value in headers.items()}


def _request(seen: RecordedRequest) -> dict[str, Any]:
    return {
        "at": seen.at,
        "method": seen.method,
        "path": seen.path,
        "headers": _headers(seen.headers),
        "body": seen.body.decode(errors="replace"),
        "operation": seen.operation,
        "status": seen.status,
        "fault": seen.fault,
    }


def _attempt(made: WebhookAttempt) -> dict[str, Any]:
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
