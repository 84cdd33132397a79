"""The control API under ``/_sandbox/``: what `Sandbox` offers in code, over HTTP."""

import re
from types import NoneType

import attrs

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.deliveries.service import UnknownEventError
from kaspi_delivery_async.sandbox.faults.fault import FaultError
from kaspi_delivery_async.sandbox.http import control_values, validation
from kaspi_delivery_async.sandbox.http.control_input import NUMBER, TEXT, Given, Operation, read
from kaspi_delivery_async.sandbox.http.controls import Controls
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


class ControlApi:
    """Responds to requests of the control API. Its description is ``openapi/sandbox-control.yaml``."""

    def __init__(self, sandbox: Controls) -> None:
        self._sandbox = sandbox
        listing = ("limit", "before")
        self._routes: dict[tuple[str, ...], dict[str, Operation]] = {
            (): {"GET": Operation(self._index)},
            ("deliveries",): {"GET": Operation(self._list_deliveries, (*listing, "status", "externalOrderId"))},
            ("deliveries", "*"): {"GET": Operation(self._inspect)},
            ("deliveries", "*", "advance"): {
                "POST": Operation(self._advance, body={"status": TEXT, "notes": TEXT}, required=("status",))
            },
            ("deliveries", "*", "cancel"): {"POST": Operation(self._cancel, body={"reason": TEXT})},
            ("events", "*", "resend"): {"POST": Operation(self._resend)},
            ("time",): {"GET": Operation(self._read_time)},
            ("time", "advance"): {
                "POST": Operation(self._advance_time, body={"seconds": NUMBER}, required=("seconds",))
            },
            ("faults",): {
                "GET": Operation(self._list_faults),
                "POST": Operation(self._add_fault, body={"fault": TEXT}, required=("fault",)),
                "DELETE": Operation(self._clear_faults),
            },
            ("faults", "*"): {"DELETE": Operation(self._remove_fault)},
            ("requests",): {"GET": Operation(self._list_requests, listing), "DELETE": Operation(self._clear_requests)},
            ("webhook-attempts",): {
                "GET": Operation(self._list_attempts, listing),
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
        if status is not None:
            _check_status(status, "query parameter status")
        chosen = [
            (number, record) for number, record in enumerate(self._sandbox.deliveries.values())
            if (status is None or record.status == status)
            and (order_id is None or record.external_order_id == order_id)
        ]  # fmt: skip
        page, following = validation.page(given.request.query, chosen, cursor="before")
        value = {
            "total": len(chosen),
            "deliveries": [control_values.delivery(record) for record in page],
            "next": following,
        }
        return json_response(200, value)

    async def _inspect(self, given: Given) -> HttpResponse:
        return json_response(200, control_values.delivery(self._find(given)))

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
        return json_response(200, control_values.delivery(moved))

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

    def _time(self) -> dict[str, object]:
        shown = control_values.time(self._sandbox.clock)
        self._sandbox.keep()  # after it was read: a clock must not go back behind it if the process is killed
        return shown

    async def _list_faults(self, _given: Given) -> HttpResponse:
        return json_response(200, {"faults": [control_values.fault(each) for each in self._sandbox.faults.remaining()]})

    async def _add_fault(self, given: Given) -> HttpResponse:
        try:
            armed = self._sandbox.faults.arm(given.fields["fault"])
        except FaultError as error:
            raise bad_request(f"$.fault: {error}") from None
        return json_response(201, control_values.fault(armed))

    async def _clear_faults(self, given: Given) -> HttpResponse:
        self._sandbox.faults.clear()
        return await self._list_faults(given)

    async def _remove_fault(self, given: Given) -> HttpResponse:
        number = given.request.segments[1]
        if not _COUNT.fullmatch(number) or not self._sandbox.faults.remove(int(number)):
            raise not_found(f"there is no fault {number!r}; GET /_sandbox/faults lists their ids")
        return await self._list_faults(given)

    async def _list_requests(self, given: Given) -> HttpResponse:
        log = self._sandbox.requests
        entries, older = log.page(*given.page())
        listed = [control_values.request(each) for each in entries]
        return json_response(200, {"total": log.total, "requests": listed, "next": older})

    async def _clear_requests(self, given: Given) -> HttpResponse:
        self._sandbox.requests.clear()
        return await self._list_requests(given)

    async def _list_attempts(self, given: Given) -> HttpResponse:
        log = self._sandbox.webhook_attempts
        entries, older = log.page(*given.page())
        listed = [control_values.attempt(each) for each in entries]
        return json_response(200, {"total": log.total, "attempts": listed, "next": older})

    async def _clear_attempts(self, given: Given) -> HttpResponse:
        self._sandbox.webhook_attempts.clear()
        return await self._list_attempts(given)

    async def _read_settings(self, _given: Given) -> HttpResponse:
        sandbox = self._sandbox
        assumed = {name.replace("_", "-"): value for name, value in attrs.asdict(sandbox.assumptions).items()}
        return json_response(200, {"webhookUrl": sandbox.webhook_url, "seed": sandbox.seed, "assumptions": assumed})

    async def _change_settings(self, given: Given) -> HttpResponse:
        sandbox = self._sandbox
        given_keys = {"apiKey": [given.fields.get("apiKey", "-")], "apiKeys": given.fields.get("apiKeys", [])}
        for name, keys in given_keys.items():
            if not all(validation.is_key(key) for key in keys):
                raise bad_request(f"$.{name}: visible ASCII characters without blanks, as a header carries them")
        before = sandbox.webhook_url, sandbox.webhook_secret
        try:
            sandbox.webhook_url = given.fields.get("webhookUrl", sandbox.webhook_url)
            sandbox.webhook_secret = given.fields.get("webhookSecret", sandbox.webhook_secret)
        except ValueError as error:
            sandbox.webhook_url, sandbox.webhook_secret = before
            name, _, problem = str(error).partition(": ")
            raise bad_request(f"$.{control_values.camel(name)}: {problem}") from None
        sandbox.api_key = given.fields.get("apiKey", sandbox.api_key)
        sandbox.api_keys = set(given.fields.get("apiKeys", sandbox.api_keys))
        return await self._read_settings(given)

    async def _reset(self, _given: Given) -> HttpResponse:
        await self._sandbox.reset()
        return json_response(200, {"status": "reset"})

    def _find(self, given: Given) -> DeliveryRecord:
        delivery_id = given.request.segments[1]
        record = self._sandbox.deliveries.get(delivery_id)
        if record is None:
            raise not_found(f"there is no delivery {delivery_id!r}")
        return record


def _check_status(status: str, where: str) -> None:
    if status not in lifecycle.STATUSES:
        raise bad_request(f"{where}: expected one of {', '.join(lifecycle.STATUSES)}")
