"""The Delivery API: one request in, one response out, no I/O."""

from collections.abc import Callable

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.deliveries.service import DeliveryService, UnknownDeliveryError
from kaspi_delivery_async.sandbox.http import validation
from kaspi_delivery_async.sandbox.http.messages import (
    HttpError,
    HttpRequest,
    HttpResponse,
    error_response,
    json_body,
    json_response,
    method_not_allowed,
    not_found,
)
from kaspi_delivery_async.sandbox.state.idempotency_keys import KeyMemory, StoredResponse, fingerprint
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord
from kaspi_delivery_async.sandbox.state.storage import Storage
from kaspi_delivery_async.sandbox.wire_format import rfc3339

REPLAYED = ("X-Idempotent-Replay", "true")
"""Marks the original answer when it is given again. Source: GS, AU."""


def route(segments: tuple[str, ...]) -> tuple[str, str] | None:
    """Find the operation and the method that a path names."""
    match segments:
        case ("v1", "deliveries"):
            return "create", "POST"
        case ("v1", "deliveries", _):
            return "get", "GET"
        case ("v1", "deliveries", _, "cancel"):
            return "cancel", "POST"
        case ("v1", "webhooks", "test"):
            return "test-webhook", "POST"
        case _:
            return None


class DeliveryApi:
    """Responds as the vendor's pages describe, and refuses everything else by name."""

    def __init__(
        self, *, service: DeliveryService, keys: KeyMemory, storage: Storage, clock: Clock,
        admit: Callable[[str], None],
    ) -> None:  # fmt: skip
        """HttpResponse for a service; ``admit`` refuses API keys that are not good."""
        self._service = service
        self._keys = keys
        self._storage = storage
        self._clock = clock
        self._admit = admit
        self._operations = {
            "create": self._create,
            "get": self._get,
            "cancel": self._cancel,
            "test-webhook": self._test_webhook,
        }

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond to a request; whatever came in, the response is one of the API's."""
        try:
            self._admit(request.headers.get("x-api-key", ""))
            routed = route(request.segments)
            if routed is None:
                raise not_found("there is no such path")
            operation, method = routed
            if request.method != method:
                raise method_not_allowed(request.method, method)
            answered = self._operations[operation](request)
        except HttpError as error:
            return error_response(error)
        self._service.commit()
        return answered

    def _create(self, request: HttpRequest) -> HttpResponse:
        body = json_body(request)
        order_id, order = validation.delivery_request(body)

        def create(key: str | None) -> HttpResponse:
            return json_response(201, _created(self._service.create(order_id, order, idempotency_key=key)))

        return self._once(request, body, create)

    def _get(self, request: HttpRequest) -> HttpResponse:
        with_history = validation.boolean_parameter(request.query.get("includeHistory", ()), "includeHistory")
        record = self._find(request)
        if not with_history:
            return json_response(200, _delivery(record))
        history = [_entry(entry.status, entry.at, entry.notes) for entry in record.history]
        return json_response(200, {**_delivery(record), "history": history})

    def _cancel(self, request: HttpRequest) -> HttpResponse:
        body: object = json_body(request) if request.body else dict[str, object]()
        reason = validation.cancel_request(body)
        record = self._find(request)

        def cancel(_key: str | None) -> HttpResponse:
            try:
                cancelled = self._service.advance(record.delivery_id, lifecycle.CANCELLED, notes=reason)
            except ImpossibleMoveError as error:
                message = f"{error}: a delivery can be cancelled until its pickup is complete"
                raise HttpError(409, "conflict", message) from None
            return json_response(200, _delivery(cancelled))

        return self._once(request, body, cancel)

    def _test_webhook(self, request: HttpRequest) -> HttpResponse:
        url, event_type = validation.test_webhook_request(json_body(request))
        event = self._service.send_test_event(url, event_type)
        return json_response(202, {"eventId": event.event_id, "status": "queued"})

    def _find(self, request: HttpRequest) -> DeliveryRecord:
        try:
            return self._service.get(request.segments[2])
        except UnknownDeliveryError as error:
            raise not_found(str(error)) from None

    def _once(self, request: HttpRequest, body: object, act: Callable[[str | None], HttpResponse]) -> HttpResponse:
        """Act, unless the call's idempotency key says that this was done. Only successes are remembered."""
        sent = request.headers.get("Idempotency-Key")
        if sent is None:
            return act(None)
        key = validation.idempotency_key(sent)
        api_key = request.headers["x-api-key"]
        now = self._clock.now()
        payload = fingerprint(request.method, request.segments, body)
        original = self._keys.recall(api_key, key, fingerprint=payload, now=now)
        if original is not None:
            return HttpResponse(status=original.status, body=original.body, headers=(REPLAYED,))
        answered = act(key)
        keyed = StoredResponse(api_key=api_key, key=key, fingerprint=payload, answer=answered, at=now)
        self._keys.remember(keyed)
        self._storage.save_key(keyed)
        return answered


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
