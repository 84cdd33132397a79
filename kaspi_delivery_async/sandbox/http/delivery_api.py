"""The Delivery API: one request in, one response out, no I/O."""

from collections.abc import Callable
from contextlib import suppress

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.assumptions import Assumptions
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.deliveries.service import DeliveryService, UnknownDeliveryError
from kaspi_delivery_async.sandbox.http import validation
from kaspi_delivery_async.sandbox.http.messages import (
    HttpError,
    HttpRequest,
    HttpResponse,
    conflict,
    error_response,
    json_body,
    json_response,
    method_not_allowed,
    not_found,
)
from kaspi_delivery_async.sandbox.routes import OPERATIONS, route_of, routes_at
from kaspi_delivery_async.sandbox.state.idempotency_keys import (
    KeyConflictError,
    KeyMemory,
    StoredResponse,
    fingerprint,
)
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.state.storage import Storage, StorageError
from kaspi_delivery_async.sandbox.wire_format import rfc3339

REPLAYED = ("X-Idempotent-Replay", "true")
"""Marks the original response when it is given again. Source: GS, AU."""

_MERCHANT = "merchant"  # the owner of every key, where keys do not belong to an API key


class DeliveryApi:
    """Responds as the vendor's pages describe, and refuses everything else by name."""

    def __init__(
        self, *, service: DeliveryService, keys: KeyMemory, storage: Storage, clock: Clock,
        admit: Callable[[str], None], assumptions: Assumptions,
    ) -> None:  # fmt: skip
        """Serve a service; ``admit`` raises for API keys that are not accepted."""
        self._service = service
        self._keys = keys
        self._storage = storage
        self._clock = clock
        self._admit = admit
        self._assumptions = assumptions
        self._validator = validation.Validator(strict=assumptions.unknown_fields == "refused")
        # A handler is called as its operation.
        self._handlers: dict[str, Callable[[HttpRequest], HttpResponse]] = {
            operation: getattr(self, operation.replace("-", "_")) for operation in OPERATIONS
        }

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond to a request; whatever came in, the response is one of the API's."""
        try:
            if not any(request.segments):
                raise not_found("the Delivery API is here: its operations are below /delivery/v1/deliveries")
            self._admit(request.headers.get("x-api-key", ""))
            route = route_of(request.method, request.segments)
            if route is None:
                methods = [other.method for other in routes_at(request.segments)]
                if not methods:
                    raise not_found("there is no such path")
                raise method_not_allowed(request.method, ", ".join(methods))
            response = self._handlers[route.operation](request)
            if route.method != "GET":
                self._service.commit()
        except HttpError as error:
            return self._spared(error_response(error))
        except StorageError as error:
            refused = HttpError(503, "unavailable", f"{error}; free some space, and send the request again")
            return self._spared(error_response(refused))
        return response

    def order_of(self, request: HttpRequest) -> str | None:
        """Return the order that the request of an operation is about, if it says so."""
        route = route_of(request.method, request.segments)
        if route is not None and route.operation == "create":
            with suppress(ValueError):
                body = wire_format.loads(request.body)
                order_id = body.get("externalOrderId") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                return order_id if isinstance(order_id, str) else None
        else:
            with suppress(UnknownDeliveryError, IndexError):
                return self._service.get(request.segments[2]).external_order_id
        return None

    def key_of(self, request: HttpRequest) -> tuple[str, str] | None:
        """Return the owner and the idempotency key of a request, ``None`` where it has none."""
        key = request.headers.get("Idempotency-Key")
        route = route_of(request.method, request.segments)
        if key is None or route is None or not route.keyed:
            return None
        return self._owner(request), key

    def refuse_in_flight(self, request: HttpRequest) -> HttpResponse:
        """Respond to a request that meets the first of its key in flight."""
        try:
            self._admit(request.headers.get("x-api-key", ""))
        except HttpError as error:
            return self._spared(error_response(error))
        return error_response(conflict("Idempotency-Key: the first request with this key is still in flight"))

    def failed(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Take note of a fault's response that is given instead of handling a request, and return what is sent."""
        key = self.key_of(request)
        if response.status >= 500 and key is not None and self._assumptions.server_errors == "stored":
            with suppress(HttpError):
                body: object = json_body(request, undeclared=True) if request.body else dict[str, object]()
                payload = fingerprint(request.method, request.segments, body)
                with suppress(KeyConflictError):
                    if self._keys.recall(*key, fingerprint=payload, now=self._clock.now()) is None:
                        self._remember(key, payload, response)
                        self._service.commit_if_possible()
        return self._spared(response)

    def create(self, request: HttpRequest) -> HttpResponse:
        """Create a delivery. Source: GS CD RF."""
        body = json_body(request)

        def create(key: str | None) -> HttpResponse:
            order_id, order = self._validator.delivery_request(body)
            if self._assumptions.repeated_order == "refused" and self._service.has_order(order_id):
                raise conflict("$.externalOrderId: there is a delivery of this order already")
            return json_response(201, _created(self._service.create(order_id, order, idempotency_key=key)))

        return self._once(request, body, create)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return a delivery, with its history if that is asked for. Source: GS RF."""
        with_history = validation.boolean_parameter(request.query.get("includeHistory", ()), "includeHistory")
        record = self._find(request)
        if not with_history:
            return json_response(200, _delivery(record))
        history = [_entry(entry.status, entry.at, entry.notes) for entry in record.history]
        return json_response(200, {**_delivery(record), "history": history})

    def cancel(self, request: HttpRequest) -> HttpResponse:
        """Cancel a delivery. Source: CD RF."""
        # The page's own example sends a body without a Content-Type. Source: AU.
        body: object = json_body(request, undeclared=True) if request.body else dict[str, object]()

        def cancel(_key: str | None) -> HttpResponse:
            reason = self._validator.cancel_request(body)
            record = self._find(request)
            try:
                cancelled = self._service.advance(record.delivery_id, lifecycle.CANCELLED, notes=reason)
            except ImpossibleMoveError as error:
                raise conflict(f"{error}: a delivery can be cancelled until its pickup is complete") from None
            return json_response(200, _delivery(cancelled))

        return self._once(request, body, cancel)

    def test_webhook(self, request: HttpRequest) -> HttpResponse:
        """Send a test event. Source: RF."""
        url, event_type = self._validator.test_webhook_request(json_body(request))
        event = self._service.send_test_event(url, event_type)
        return json_response(202, {"eventId": event.event_id, "status": "queued"})

    def _find(self, request: HttpRequest) -> DeliveryRecord:
        try:
            return self._service.get(request.segments[2])
        except UnknownDeliveryError as error:
            raise not_found(str(error)) from None

    def _once(
        self, request: HttpRequest, body: object, act: Callable[[str | None], HttpResponse]
    ) -> HttpResponse:  # fmt: skip
        """Act, unless the request's idempotency key says that this was done."""
        sent = request.headers.get("Idempotency-Key")
        if sent is None:
            return act(None)
        key = (self._owner(request), validation.idempotency_key(sent))
        payload = fingerprint(request.method, request.segments, body)
        try:
            original = self._keys.recall(*key, fingerprint=payload, now=self._clock.now())
        except KeyConflictError as error:
            raise conflict(f"Idempotency-Key: {error}") from None
        if original is not None:
            return HttpResponse(status=original.status, body=original.body, headers=(REPLAYED,))
        try:
            response = act(sent)
        except HttpError as error:
            if self._assumptions.refusals == "stored":
                self._remember(key, payload, self._spared(error_response(error)))
            raise
        self._remember(key, payload, response)
        return response

    def _owner(self, request: HttpRequest) -> str:
        return _MERCHANT if self._assumptions.keys_of == "merchant" else request.headers.get("x-api-key", "")

    def _remember(self, key: tuple[str, str], payload: bytes, response: HttpResponse) -> None:
        stored = StoredResponse(
            owner=key[0], key=key[1], fingerprint=payload, status=response.status, body=response.body,
            at=self._clock.now(),
        )  # fmt: skip
        self._keys.remember(stored)
        self._storage.save_key(stored)

    def _spared(self, response: HttpResponse) -> HttpResponse:
        """Leave out the body where the pages describe none and that is assumed to mean that there is none."""
        undescribed = response.status in {403, 404} or response.status >= 500
        if undescribed and self._assumptions.error_bodies == "empty":
            return HttpResponse(status=response.status, body=b"", headers=response.headers)
        return response


def _created(record: DeliveryRecord) -> dict[str, object]:
    return {
        "deliveryId": record.delivery_id,
        "status": record.status,
        "trackingUrl": record.tracking_url,
        "eta": _eta(record),
    }


def _delivery(record: DeliveryRecord) -> dict[str, object]:
    return {
        "deliveryId": record.delivery_id,
        "status": record.status,
        **record.request,
        "trackingUrl": record.tracking_url,
        "eta": _eta(record),
    }


def _eta(record: DeliveryRecord) -> dict[str, str]:
    return {"pickupBy": rfc3339(record.pickup_by), "deliveryBy": rfc3339(record.deliver_by)}


def _entry(status: str, at: float, notes: str | None) -> dict[str, str]:
    entry = {"status": status, "timestamp": rfc3339(at)}
    return entry if notes is None else {**entry, "notes": notes}
