"""The API's operations without any I/O: what is sent, and what a response means.

An `Operation` is fixed before anything is sent, idempotency key and body bytes included, so every attempt of a call
is the same request. Give it to `DeliveryClient.send`, or use an HTTP client of your own: send ``method``, ``path``,
``headers`` and ``body`` with your ``x-api-key``, then pass the response to ``parse``.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import attrs

from kaspi_delivery_async._wire.headers import is_visible_ascii
from kaspi_delivery_async._wire.idempotency_keys import cancel_key, checked_key, create_key
from kaspi_delivery_async._wire.response_parser import read_response
from kaspi_delivery_async._wire.text import plain
from kaspi_delivery_async.errors import (
    CancelNotAllowedError,
    ConflictError,
    IdempotencyConflictError,
    InvalidRequestError,
)
from kaspi_delivery_async.models import (
    CancelRequest,
    Delivery,
    DeliveryCreated,
    DeliveryRequest,
    TestWebhook,
    TestWebhookRequest,
    WebhookEventType,
    order_values,
    to_dict,
    write_json,
)

T = TypeVar("T")

_UNSAFE_IN_PATH = frozenset("/\\?#%")


@attrs.frozen(kw_only=True)
class OperationSpec(Generic[T]):
    """What all requests of one operation have in common."""

    name: str
    """The operation's name in this package, such as ``create_delivery``."""
    method: str
    """HTTP method."""
    path: str
    """The path as the description writes it, with ``{deliveryId}`` in place of an id."""
    result: type[T]
    """The model of a 2xx response."""
    conflict: type[ConflictError] = ConflictError
    """The error that a 409 stands for."""


_CREATE = OperationSpec(
    name="create_delivery",
    method="POST",
    path="/v1/deliveries",
    result=DeliveryCreated,
    conflict=IdempotencyConflictError,
)
_GET = OperationSpec(name="get_delivery", method="GET", path="/v1/deliveries/{deliveryId}", result=Delivery)
_CANCEL = OperationSpec(
    name="cancel_delivery",
    method="POST",
    path="/v1/deliveries/{deliveryId}/cancel",
    result=Delivery,
    conflict=CancelNotAllowedError,
)
_TEST_WEBHOOK = OperationSpec(name="send_test_webhook", method="POST", path="/v1/webhooks/test", result=TestWebhook)


@attrs.frozen
class Operation(Generic[T]):
    """One request of the API, which can be sent any number of times, and the parser of its response."""

    spec: OperationSpec[T]
    """The operation it is a request of."""
    path: str
    """Path and query below the base URL, percent-encoded."""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """Headers of the request itself; the sender adds the API key."""
    body: bytes | None = attrs.field(default=None, repr=False)
    """The JSON body, or None."""
    idempotency_key: str | None = None
    """The key under which a write can be repeated safely within 23 hours; None if the API takes none."""
    about: tuple[str, str] | None = None
    """A field of the response and the id that it must hold if it is there; None if any response will do."""

    @property
    def name(self) -> str:
        """The operation's name in this package, such as ``create_delivery``."""
        return self.spec.name

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.spec.method

    @property
    def repeatable(self) -> bool:
        """Whether the request is idempotent: a GET, or a write with an idempotency key (Source: AU EX)."""
        return self.method == "GET" or self.idempotency_key is not None

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> T:
        """Return the value of a response, or raise the `ApiError` or `UnreadableResponseError` that it stands for.

        Of a 2xx, only the ids and the status are required, and an id that was asked for must be the same. What else
        cannot be read is None, and a warning is logged: it must not hide that a courier was ordered. A body may be
        packed by gzip or deflate, and begin with a byte order mark; 4 MiB are read of it.
        """
        spec = self.spec
        return read_response(
            status,
            headers,
            body,
            operation=spec.name,
            result=spec.result,
            conflict=spec.conflict,
            about=self.about,
            changes=spec.method != "GET",
        )


def create_delivery(request: DeliveryRequest, idempotency_key: str | None = None) -> Operation[DeliveryCreated]:
    """Order a courier (Source: GS CD).

    Without ``idempotency_key``, the key is the order's ``external_order_id`` if that is visible ASCII of at most 128
    characters, else ``order-`` and its SHA-256. An order is what a person sees: the id is sent in its canonical
    form, so ids that look the same have the same key and body. Raises `InvalidRequestError` with the path of every
    wrong field; `models.checked_order` has the rules.
    """
    _check_class(request, DeliveryRequest, _CREATE)
    try:
        values = order_values(request)
        body = write_json(values)
    except InvalidRequestError as error:
        raise _named(error, _CREATE) from None
    order_id: str = values["externalOrderId"]
    key = create_key(order_id) if idempotency_key is None else _checked(idempotency_key, _CREATE)
    return _write(_CREATE, _CREATE.path, body=body, key=key, about=("externalOrderId", order_id))


def get_delivery(delivery_id: str, *, include_history: bool = False) -> Operation[Delivery]:
    """Fetch a delivery, with its past statuses if ``include_history`` (Source: GS RF)."""
    delivery_id = _checked_id(delivery_id, _GET)
    query = "?includeHistory=true" if include_history else ""
    return Operation(_GET, _filled(_GET, delivery_id) + query, about=("deliveryId", delivery_id))


def cancel_delivery(
    delivery_id: str, reason: str | None = None, idempotency_key: str | None = None
) -> Operation[Delivery]:
    """Cancel a delivery before its pickup completes (Source: CD RF).

    Without ``idempotency_key`` the key is ``{delivery_id}-cancel``.
    """
    delivery_id = _checked_id(delivery_id, _CANCEL)
    body = _encode(CancelRequest(reason=reason), _CANCEL)
    key = cancel_key(delivery_id) if idempotency_key is None else _checked(idempotency_key, _CANCEL)
    return _write(_CANCEL, _filled(_CANCEL, delivery_id), body=body, key=key, about=("deliveryId", delivery_id))


def send_test_webhook(url: str, event_type: WebhookEventType | str) -> Operation[TestWebhook]:
    """Have the vendor send a test event to ``url`` (Source: RF).

    It takes no idempotency key, so a client repeats it only if nothing was sent.
    """
    name = _TEST_WEBHOOK.name
    if not isinstance(event_type, str) or not event_type:
        raise InvalidRequestError("$.type", "expected an event type such as 'delivery.created'", operation=name)
    body = _encode(TestWebhookRequest(url=url, type=WebhookEventType(event_type)), _TEST_WEBHOOK)
    if not _is_web_address(url):
        raise InvalidRequestError("$.url", "expected an absolute http(s) URL", operation=name)
    return _write(_TEST_WEBHOOK, _TEST_WEBHOOK.path, body=body)


def _write(
    spec: OperationSpec[T], path: str, *, body: bytes, key: str | None = None, about: tuple[str, str] | None = None
) -> Operation[T]:
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return Operation(spec, path, headers, body, key, about)


def _checked(key: str, spec: OperationSpec[T]) -> str:
    return checked_key(key, operation=spec.name)


def _encode(model: object, spec: OperationSpec[Any]) -> bytes:
    try:
        return write_json(to_dict(model))
    except InvalidRequestError as error:
        raise _named(error, spec) from None


def _named(error: InvalidRequestError, spec: OperationSpec[Any]) -> InvalidRequestError:
    error.operation = spec.name
    return error


def _check_class(model: object, kind: type[object], spec: OperationSpec[Any]) -> None:
    if not isinstance(model, kind):
        raise InvalidRequestError("$", f"expected {kind.__name__}, got {type(model).__name__}", operation=spec.name)


def _checked_id(delivery_id: str, spec: OperationSpec[Any]) -> str:
    # A dot segment or a slash would address another resource than the caller named.
    safe = isinstance(delivery_id, str) and is_visible_ascii(delivery_id) and delivery_id not in {".", ".."}
    if not safe or not _UNSAFE_IN_PATH.isdisjoint(delivery_id):
        raise InvalidRequestError(
            "delivery_id",
            "must be visible ASCII without / \\ ? # %, such as dlv_01hfz18tnb7tqw, exactly as the API returned it",
            operation=spec.name,
        )
    return plain(delivery_id)


def _filled(spec: OperationSpec[Any], delivery_id: str) -> str:
    return spec.path.replace("{deliveryId}", quote(delivery_id, safe=""))


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        return False
