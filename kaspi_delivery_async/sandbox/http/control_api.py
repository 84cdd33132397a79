"""The control API under ``/_sandbox/``: what `Sandbox` offers in code, over HTTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.faults.fault import FaultError
from kaspi_delivery_async.sandbox.http.messages import (
    HttpError,
    HttpRequest,
    HttpResponse,
    bad_request,
    error_response,
    json_body,
    json_response,
    method_not_allowed,
    not_found,
)
from kaspi_delivery_async.sandbox.wire_format import rfc3339

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kaspi_delivery_async.sandbox.clock import Clock
    from kaspi_delivery_async.sandbox.faults.selection import ArmedFault, Faults
    from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest, WebhookAttempt
    from kaspi_delivery_async.sandbox.state.records import DeliveryRecord

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 100_000
_COUNT = re.compile("[0-9]{1,6}")
_LONGEST_ADVANCE = 366 * 86400  # seconds
_HIDDEN = frozenset({"x-api-key", "authorization", "cookie"})


class Controls(Protocol):
    """What the control API needs of a sandbox; `Sandbox` documents each member."""

    @property
    def clock(self) -> Clock:
        """The sandbox's time."""
        ...

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        ...

    @property
    def requests(self) -> Log[RecordedRequest]:
        """The newest requests."""
        ...

    @property
    def webhook_attempts(self) -> Log[WebhookAttempt]:
        """The newest webhook attempts."""
        ...

    @property
    def deliveries(self) -> Mapping[str, DeliveryRecord]:
        """Every delivery under its id."""
        ...

    async def advance(self, delivery_id: str, status: str, *, notes: str | None = None) -> DeliveryRecord:
        """Move a delivery to a status."""
        ...

    async def cancel(self, delivery_id: str, *, reason: str | None = None) -> DeliveryRecord:
        """Cancel a delivery from the courier's side."""
        ...

    async def reset(self) -> None:
        """Empty the sandbox."""
        ...


class ControlApi:
    """Responds to requests of the control API. Its description is ``openapi/sandbox-control.yaml``."""

    def __init__(self, sandbox: Controls) -> None:
        self._sandbox = sandbox
        self._routes: Mapping[tuple[str, ...], Mapping[str, Callable[[HttpRequest], Awaitable[HttpResponse]]]] = {
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

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond to a request; whatever came in, the response is one of the description's."""
        try:
            collection, *rest = request.segments or ("",)
            pattern = (collection, "*", *rest[1:]) if collection == "deliveries" and rest else request.segments
            handlers = self._routes.get(pattern)
            if handlers is None:
                raise not_found("there is no such path under /_sandbox")
            handler = handlers.get(request.method)
            if handler is None:
                raise method_not_allowed(request.method, ", ".join(handlers))
            return await handler(request)
        except HttpError as error:
            return error_response(error)
        except ImpossibleMoveError as error:
            return error_response(HttpError(409, "conflict", str(error)))

    async def _list_deliveries(self, request: HttpRequest) -> HttpResponse:
        records = list(self._sandbox.deliveries.values())
        status = request.query.get("status")
        if status is not None:
            if len(status) != 1 or status[0] not in lifecycle.STATUSES:
                raise bad_request(f"query parameter status: expected one of {', '.join(lifecycle.STATUSES)}")
            records = [record for record in records if record.status == status[0]]
        newest = records[-_limit(request) :]
        return json_response(200, {"total": len(records), "deliveries": [_delivery(record) for record in newest]})

    async def _inspect(self, request: HttpRequest) -> HttpResponse:
        return json_response(200, _delivery(self._find(request)))

    async def _advance(self, request: HttpRequest) -> HttpResponse:
        body = _fields(request, {"status": str, "notes": str}, required=("status",))
        record = await self._sandbox.advance(self._find(request).delivery_id, body["status"], notes=body.get("notes"))
        return json_response(200, _delivery(record))

    async def _cancel(self, request: HttpRequest) -> HttpResponse:
        body = _fields(request, {"reason": str}) if request.body else {}
        record = await self._sandbox.cancel(self._find(request).delivery_id, reason=body.get("reason"))
        return json_response(200, _delivery(record))

    async def _read_time(self, _request: HttpRequest) -> HttpResponse:
        clock = self._sandbox.clock
        return json_response(200, {"now": rfc3339(clock.now()), "unix": clock.now(), "speed": clock.speed})

    async def _advance_time(self, request: HttpRequest) -> HttpResponse:
        seconds = _fields(request, {"seconds": float}, required=("seconds",))["seconds"]
        if not 0 <= seconds <= _LONGEST_ADVANCE:
            raise bad_request(f"$.seconds: expected 0 to {_LONGEST_ADVANCE}")
        await self._sandbox.clock.advance(float(seconds))
        return await self._read_time(request)

    async def _list_faults(self, _request: HttpRequest) -> HttpResponse:
        return json_response(200, {"faults": [_fault(armed) for armed in self._sandbox.faults.remaining()]})

    async def _add_fault(self, request: HttpRequest) -> HttpResponse:
        text = _fields(request, {"fault": str}, required=("fault",))["fault"]
        try:
            self._sandbox.faults.add(text)
        except FaultError as error:
            raise bad_request(f"$.fault: {error}") from None
        return json_response(201, _fault(self._sandbox.faults.remaining()[-1]))

    async def _clear_faults(self, request: HttpRequest) -> HttpResponse:
        self._sandbox.faults.clear()
        return await self._list_faults(request)

    async def _list_requests(self, request: HttpRequest) -> HttpResponse:
        log = self._sandbox.requests
        return json_response(200, {"total": log.total, "requests": [_request(one) for one in log[-_limit(request) :]]})

    async def _list_attempts(self, request: HttpRequest) -> HttpResponse:
        log = self._sandbox.webhook_attempts
        return json_response(200, {"total": log.total, "attempts": [_attempt(one) for one in log[-_limit(request) :]]})

    async def _reset(self, _request: HttpRequest) -> HttpResponse:
        await self._sandbox.reset()
        return json_response(200, {"status": "reset"})

    def _find(self, request: HttpRequest) -> DeliveryRecord:
        delivery_id = request.segments[1]
        record = self._sandbox.deliveries.get(delivery_id)
        if record is None:
            raise not_found(f"there is no delivery {delivery_id!r}")
        return record


def _fields(request: HttpRequest, kinds: Mapping[str, type], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check that the body is an object whose known fields are of their kinds; an integer passes as a float."""
    body = json_body(request)
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


def _limit(request: HttpRequest) -> int:
    values = request.query.get("limit")
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
