"""The control API under ``/_sandbox/``: what `Sandbox` offers in code, over HTTP."""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from types import NoneType

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.deliveries.service import UnknownEventError
from kaspi_delivery_async.sandbox.faults.fault import FaultError
from kaspi_delivery_async.sandbox.http import validation
from kaspi_delivery_async.sandbox.http.control import values
from kaspi_delivery_async.sandbox.http.control.changes import changes, concerns
from kaspi_delivery_async.sandbox.http.control.controls import Controls
from kaspi_delivery_async.sandbox.http.control.input import NUMBER, TEXT, Given, Operation, read
from kaspi_delivery_async.sandbox.http.control.settings import change_settings, read_settings
from kaspi_delivery_async.sandbox.http.messages import (
    HttpError,
    HttpRequest,
    HttpResponse,
    bad_request,
    conflict,
    error_response,
    json_response,
    method_not_allowed,
    not_found,
)
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.state.storage import StorageError

_COUNT = re.compile("[0-9]{1,15}")
_LONGEST_ADVANCE = 366 * 86400  # seconds
_LONGEST_FAULT = 86400  # seconds
_FASTEST = 1_000_000  # seconds per second


class ControlApi:
    """Responds to requests of the control API. Its description is ``openapi/sandbox-control.yaml``."""

    def __init__(self, sandbox: Controls, *, create_example: Callable[[], DeliveryRecord]) -> None:
        """Control a sandbox; ``create_example`` creates a delivery of the documented order."""
        self._sandbox = sandbox
        self._create = create_example
        listing = ("limit", "before")
        self._routes: dict[tuple[str, ...], dict[str, Operation]] = {
            (): {"GET": Operation(self._index)},
            ("deliveries",): {
                "GET": Operation(self._list_deliveries, (*listing, "status", "externalOrderId", "search")),
                "POST": Operation(self._create_example),
            },
            ("deliveries", "*"): {"GET": Operation(self._inspect)},
            ("deliveries", "*", "advance"): {
                "POST": Operation(self._advance, body={"status": TEXT, "notes": TEXT}, required=("status",))
            },
            ("deliveries", "*", "cancel"): {"POST": Operation(self._cancel, body={"reason": TEXT})},
            ("events", "*", "resend"): {"POST": Operation(self._resend)},
            ("time",): {
                "GET": Operation(self._read_time),
                "PATCH": Operation(self._change_speed, body={"speed": NUMBER}, required=("speed",)),
            },
            ("time", "advance"): {
                "POST": Operation(self._advance_time, body={"seconds": NUMBER}, required=("seconds",))
            },
            ("time", "next"): {"POST": Operation(self._advance_to_next)},
            ("faults",): {
                "GET": Operation(self._list_faults),
                "POST": Operation(
                    self._add_fault, body={"fault": TEXT, "seconds": NUMBER}, required=("fault",)
                ),
                "DELETE": Operation(self._clear_faults),
            },
            ("faults", "*"): {"DELETE": Operation(self._remove_fault)},
            ("requests",): {
                "GET": Operation(self._list_requests, (*listing, "deliveryId")),
                "DELETE": Operation(self._clear_requests),
            },
            ("webhook-attempts",): {
                "GET": Operation(self._list_attempts, (*listing, "deliveryId")),
                "DELETE": Operation(self._clear_attempts),
            },
            ("settings",): {
                "GET": Operation(self._read_settings),
                "PATCH": Operation(
                    self._change_settings,
                    body={
                        "webhookUrl": (str, NoneType), "webhookSecret": TEXT, "apiKey": TEXT, "apiKeys": (list,),
                    },
                ),
            },
            ("reset",): {"POST": Operation(self._reset)},
            ("changes",): {"GET": Operation(self._follow)},
        }  # fmt: skip

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond to a request; whatever came in, the response is one of the description's."""
        try:
            segments = request.segments[:-1] if request.segments[-1:] == ("",) else request.segments
            operation = self._find_operation("GET" if request.method == "HEAD" else request.method, segments)
            return await operation.handle(read(request, operation))
        except HttpError as error:
            return error_response(error)
        except StorageError as error:
            return error_response(HttpError(503, "unavailable", f"{error}; free some space, and try again"))

    def _find_operation(self, method: str, segments: tuple[str, ...]) -> Operation:
        for pattern, operations in self._routes.items():
            if len(pattern) == len(segments) and all(
                part in {"*", given} for part, given in zip(pattern, segments, strict=True)
            ):
                if method not in operations:
                    raise method_not_allowed(method, ", ".join(operations))
                return operations[method]
        raise not_found("there is no such path under /_sandbox; GET /_sandbox/ lists them")

    async def _index(self, _given: Given) -> HttpResponse:
        sandbox = self._sandbox
        value = {
            "status": "running",
            **self._time(),
            "deliveries": len(sandbox.deliveries),
            "requests": sandbox.requests.total,
            "webhookAttempts": sandbox.webhook_attempts.total,
            "faults": [str(fault) for fault in sandbox.faults],
            "paths": [
                f"{', '.join(operations)} /_sandbox/{'/'.join(pattern).replace('*', '{id}')}"
                for pattern, operations in self._routes.items()
            ],
        }
        return json_response(200, value)

    async def _list_deliveries(self, given: Given) -> HttpResponse:
        status, order_id = given.single("status"), given.single("externalOrderId")
        wanted = (given.single("search") or "").casefold()
        if status is not None:
            _check_status(status, "query parameter status")
        chosen = [
            (number, record) for number, record in enumerate(self._sandbox.deliveries.values())
            if (status is None or record.status == status)
            and (order_id is None or record.external_order_id == order_id)
            and (wanted in record.delivery_id or wanted in record.external_order_id.casefold())
        ]  # fmt: skip
        page, following = validation.page(given.request.query, chosen, cursor="before")
        value = {
            "total": len(chosen),
            "deliveries": [values.delivery(record) for record in page],
            "next": following,
        }
        return json_response(200, value)

    async def _create_example(self, _given: Given) -> HttpResponse:
        return json_response(201, values.delivery(self._create()))

    async def _inspect(self, given: Given) -> HttpResponse:
        return json_response(200, values.delivery(self._find(given)))

    async def _advance(self, given: Given) -> HttpResponse:
        record = self._find(given)
        _check_status(given.fields["status"], "$.status")
        return await self._move(record, given.fields["status"], given.fields.get("notes"))

    async def _cancel(self, given: Given) -> HttpResponse:
        return await self._move(self._find(given), lifecycle.CANCELLED, given.fields.get("reason"))

    async def _move(self, record: DeliveryRecord, status: str, notes: str | None) -> HttpResponse:
        try:
            moved = await self._sandbox.advance(record.delivery_id, status, notes=notes)
        except ImpossibleMoveError as error:
            raise conflict(str(error)) from None
        return json_response(200, values.delivery(moved))

    async def _resend(self, given: Given) -> HttpResponse:
        event_id = given.request.segments[1]
        try:
            await self._sandbox.resend(event_id)
        except UnknownEventError as error:
            raise not_found(str(error)) from None
        except ValueError as error:
            raise conflict(str(error)) from None
        return json_response(202, {"eventId": event_id, "status": "sent"})

    async def _read_time(self, _given: Given) -> HttpResponse:
        return json_response(200, self._time())

    async def _advance_time(self, given: Given) -> HttpResponse:
        if not 0 <= given.fields["seconds"] <= _LONGEST_ADVANCE:
            raise bad_request(f"$.seconds: expected 0 to {_LONGEST_ADVANCE}")
        try:
            await self._sandbox.clock.advance(float(given.fields["seconds"]))
        except ValueError as error:
            raise bad_request(f"$.seconds: {error}") from None
        return json_response(200, self._time())

    async def _advance_to_next(self, given: Given) -> HttpResponse:
        due = self._sandbox.clock.next_due
        if due is not None:
            await self._sandbox.clock.advance(max(0.0, due - self._sandbox.clock.now()))
        return await self._read_time(given)

    async def _change_speed(self, given: Given) -> HttpResponse:
        if not 0 <= given.fields["speed"] <= _FASTEST:
            raise bad_request(f"$.speed: expected 0 to {_FASTEST}")
        self._sandbox.clock.set_speed(float(given.fields["speed"]))
        return await self._read_time(given)

    def _time(self) -> dict[str, object]:
        shown = values.time(self._sandbox.clock)
        self._sandbox.keep()  # after it was read: a clock must not go back behind it if the process is killed
        return shown

    async def _list_faults(self, _given: Given) -> HttpResponse:
        return json_response(200, {"faults": [values.fault(each) for each in self._sandbox.faults.remaining()]})

    async def _add_fault(self, given: Given) -> HttpResponse:
        seconds = given.fields.get("seconds")
        if seconds is not None and not 0 < seconds <= _LONGEST_FAULT:
            raise bad_request(f"$.seconds: expected more than 0, and at most {_LONGEST_FAULT}")
        try:
            armed = self._sandbox.faults.arm(given.fields["fault"])
        except FaultError as error:
            raise bad_request(f"$.fault: {error}") from None
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._sandbox.faults.remove, armed.number)
        return json_response(201, values.fault(armed))

    async def _clear_faults(self, given: Given) -> HttpResponse:
        self._sandbox.faults.clear()
        return await self._list_faults(given)

    async def _remove_fault(self, given: Given) -> HttpResponse:
        number = given.request.segments[1]
        if not _COUNT.fullmatch(number) or not self._sandbox.faults.remove(int(number)):
            raise not_found(f"there is no fault {number!r}; GET /_sandbox/faults lists their ids")
        return await self._list_faults(given)

    async def _list_requests(self, given: Given) -> HttpResponse:
        log, record = self._sandbox.requests, self._record(given)
        entries, older = log.page(*given.page(), where=None if record is None else partial(concerns, record))
        listed = [values.request(*each) for each in entries]
        return json_response(200, {"total": log.total, "requests": listed, "next": older})

    async def _clear_requests(self, given: Given) -> HttpResponse:
        self._sandbox.requests.clear()
        return await self._list_requests(given)

    async def _list_attempts(self, given: Given) -> HttpResponse:
        log, wanted = self._sandbox.webhook_attempts, given.single("deliveryId")
        entries, older = log.page(
            *given.page(), where=None if wanted is None else lambda attempt: attempt.delivery_id == wanted
        )
        listed = [values.attempt(*each) for each in entries]
        return json_response(200, {"total": log.total, "attempts": listed, "next": older})

    async def _clear_attempts(self, given: Given) -> HttpResponse:
        self._sandbox.webhook_attempts.clear()
        return await self._list_attempts(given)

    async def _read_settings(self, _given: Given) -> HttpResponse:
        return json_response(200, read_settings(self._sandbox))

    async def _change_settings(self, given: Given) -> HttpResponse:
        change_settings(self._sandbox, given.fields)
        return await self._read_settings(given)

    async def _reset(self, _given: Given) -> HttpResponse:
        await self._sandbox.reset()
        return json_response(200, {"status": "reset"})

    async def _follow(self, _given: Given) -> HttpResponse:
        return HttpResponse(status=200, body=b"", content_type="text/event-stream", stream=changes(self._sandbox))

    def _record(self, given: Given) -> DeliveryRecord | None:
        """Return the delivery that a query parameter names, None without one."""
        delivery_id = given.single("deliveryId")
        if delivery_id is None:
            return None
        record = self._sandbox.deliveries.get(delivery_id)
        if record is None:
            raise not_found(f"there is no delivery {delivery_id!r}")
        return record

    def _find(self, given: Given) -> DeliveryRecord:
        delivery_id = given.request.segments[1]
        record = self._sandbox.deliveries.get(delivery_id)
        if record is None:
            raise not_found(f"there is no delivery {delivery_id!r}")
        return record


def _check_status(status: str, where: str) -> None:
    if status not in lifecycle.STATUSES:
        raise bad_request(f"{where}: expected one of {', '.join(lifecycle.STATUSES)}")
