"""The API's operations without any I/O: what is sent, and what an answer means.

An `Operation` is fixed before anything leaves, idempotency key and body bytes included, so every
attempt of a call is the same request. Give it to `DeliveryClient.send`, or use an HTTP client of
your own: send ``method``, ``path``, ``headers`` and ``body`` with your ``x-api-key``, then hand
the answer to ``parse``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote, urlsplit

import attrs
from multidict import istr

from kaspi_delivery_async._wire.headers import is_visible_ascii
from kaspi_delivery_async._wire.idempotency_keys import cancel_key, checked_key, create_key
from kaspi_delivery_async._wire.response_parser import read_answer
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
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

# Spelled so, aiohttp need not find out how they compare with others.
_CONTENT_TYPE, _IDEMPOTENCY_KEY = istr("Content-Type"), istr("Idempotency-Key")

_UNSAFE_IN_PATH = frozenset("/\\?#%")


@attrs.frozen(kw_only=True)
class Template(Generic[T]):
    """What all requests of one operation have in common."""

    name: str
    """The operation's name in this package, such as ``create_delivery``."""
    method: str
    """HTTP method."""
    path: str
    """The path as the description writes it, with ``{deliveryId}`` in place of an id."""
    result: type[T]
    """The model of a good answer."""
    conflict: type[ConflictError] = ConflictError
    """What a 409 means here."""


@attrs.frozen
class Operation(Generic[T]):
    """One request of the API, ready to be sent any number of times, and the reading of its answer."""

    template: Template[T]
    """Which operation it is."""
    path: str
    """Path and query below the base URL, percent-encoded."""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """Headers of the request itself; the API key is added by whoever sends it."""
    body: bytes | None = attrs.field(default=None, repr=False)
    """The JSON body, or None."""
    idempotency_key: str | None = None
    """The key that makes repeating a write harmless for 23 hours; None where the API takes none."""

    @property
    def name(self) -> str:
        """The operation's name in this package, such as ``create_delivery``."""
        return self.template.name

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.template.method

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice has the effect of sending it once (Source: AU EX)."""
        return self.method == "GET" or self.idempotency_key is not None

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> T:
        """Return the value of an answer, or raise the `ApiError` or `UnreadableResponseError` it stands for."""
        template = self.template
        return read_answer(
            status, headers, body, operation=template.name, result=template.result, conflict=template.conflict
        )


_CREATE = Template(
    name="create_delivery",
    method="POST",
    path="/v1/deliveries",
    result=DeliveryCreated,
    conflict=IdempotencyConflictError,
)
_GET = Template(name="get_delivery", method="GET", path="/v1/deliveries/{deliveryId}", result=Delivery)
_CANCEL = Template(
    name="cancel_delivery",
    method="POST",
    path="/v1/deliveries/{deliveryId}/cancel",
    result=Delivery,
    conflict=CancelNotAllowedError,
)
_TEST_WEBHOOK = Template(name="send_test_webhook", method="POST", path="/v1/webhooks/test", result=TestWebhook)


def create_delivery(request: DeliveryRequest, idempotency_key: str | None = None) -> Operation[DeliveryCreated]:
    """Order a courier (Source: GS CD).

    Without ``idempotency_key``, the order's ``external_order_id`` is the key if it is visible ASCII
    of at most 128 characters, else ``order-`` and its SHA-256. Raises `InvalidRequestError` with
    the path of every wrong field.
    """
    body = _encode(request, DeliveryRequest, _CREATE)
    if not request.external_order_id:
        raise InvalidRequestError(
            "$.externalOrderId", "must not be empty: it tells your orders apart", operation=_CREATE.name
        )
    key = create_key(request.external_order_id) if idempotency_key is None else _checked(idempotency_key, _CREATE)
    return _write(_CREATE, _CREATE.path, body=body, key=key)


def get_delivery(delivery_id: str, *, include_history: bool = False) -> Operation[Delivery]:
    """Ask for a delivery, with its past statuses if ``include_history`` (Source: GS RF)."""
    query = "?includeHistory=true" if include_history else ""
    return Operation(_GET, _filled(_GET, delivery_id) + query)


def cancel_delivery(
    delivery_id: str, reason: str | None = None, idempotency_key: str | None = None
) -> Operation[Delivery]:
    """Cancel a delivery before its pickup completes (Source: CD RF).

    Without ``idempotency_key`` the key is ``{delivery_id}-cancel``.
    """
    path = _filled(_CANCEL, delivery_id)
    body = _encode(CancelRequest(reason=reason), CancelRequest, _CANCEL)
    key = cancel_key(delivery_id) if idempotency_key is None else _checked(idempotency_key, _CANCEL)
    return _write(_CANCEL, path, body=body, key=key)


def send_test_webhook(url: str, event_type: WebhookEventType | str) -> Operation[TestWebhook]:
    """Have the vendor send a test event to ``url`` (Source: RF).

    It takes no idempotency key, so a client repeats it only if nothing was sent.
    """
    name = _TEST_WEBHOOK.name
    if not isinstance(event_type, str) or not event_type:
        raise InvalidRequestError("$.type", "expected an event type such as 'delivery.created'", operation=name)
    request = TestWebhookRequest(url=url, type=WebhookEventType(event_type))
    body = _encode(request, TestWebhookRequest, _TEST_WEBHOOK)
    if not _is_web_address(url):
        raise InvalidRequestError("$.url", "expected an absolute http(s) URL", operation=name)
    return _write(_TEST_WEBHOOK, _TEST_WEBHOOK.path, body=body, key=None)


def _write(template: Template[T], path: str, *, body: bytes, key: str | None) -> Operation[T]:
    headers: dict[str, str] = {_CONTENT_TYPE: "application/json"}
    if key is not None:
        headers[_IDEMPOTENCY_KEY] = key
    return Operation(template, path, headers, body, key)


def _checked(key: str, template: Template[T]) -> str:
    return checked_key(key, operation=template.name)


def _encode(model: object, kind: type[object], template: Template[T]) -> bytes:
    if not isinstance(model, kind):
        raise InvalidRequestError("$", f"expected {kind.__name__}, got {type(model).__name__}", operation=template.name)
    try:
        return to_json(model)
    except InvalidRequestError as error:
        error.operation = template.name
        raise


def _filled(template: Template[T], delivery_id: str) -> str:
    # A dot segment or a slash would address another resource than the caller named.
    safe = isinstance(delivery_id, str) and is_visible_ascii(delivery_id) and delivery_id not in {".", ".."}
    if not safe or not _UNSAFE_IN_PATH.isdisjoint(delivery_id):
        raise InvalidRequestError(
            "delivery_id",
            "must be visible ASCII without / \\ ? # %, such as dlv_01hfz18tnb7tqw, exactly as the API returned it",
            operation=template.name,
        )
    return template.path.replace("{deliveryId}", quote(delivery_id, safe=""))


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        return False
