"""The API's operations without any I/O: what is sent, and what a response means.

An `Operation` is fixed before anything is sent, idempotency key and body bytes included, so every attempt of a call
is the same request. Give it to `DeliveryClient.send`, or use an HTTP client of your own: send ``method``, ``path``,
``headers`` and ``body`` with your ``x-api-key``, then pass the response to ``parse``.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Generic, TypeVar, cast, get_args
from urllib.parse import quote, urlencode, urlsplit

import attrs

from kaspi_delivery_async._generated import operations as described
from kaspi_delivery_async._operation_spec import OperationSpec
from kaspi_delivery_async._wire.conversion.converter import unstructure
from kaspi_delivery_async._wire.conversion.thorough import ConversionError
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

_is_path_segment = re.compile("[A-Za-z0-9_-]+").fullmatch
"""Whether an id needs no further check and no quoting: those of the vendor do not."""

_CREATE, _CANCEL = described.CREATE_DELIVERY, described.CANCEL_DELIVERY
_CONFLICTS: Mapping[str, type[ConflictError]] = {
    _CREATE.name: IdempotencyConflictError,
    _CANCEL.name: CancelNotAllowedError,
}
"""What a 409 means, where it is more than a `ConflictError`."""


@attrs.frozen(slots=False)  # a frozen object without slots is made in half of the time
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
        return read_response(status, headers, body, spec, _CONFLICTS.get(spec.name, ConflictError), self.about)


def create_delivery(request: DeliveryRequest, idempotency_key: str | None = None) -> Operation[DeliveryCreated]:
    """Order a courier (Source: GS CD).

    Without ``idempotency_key``, the key is the order's ``external_order_id`` if that is visible ASCII of at most 128
    characters, else ``order-`` and its SHA-256. An order is what a person sees: the id is sent in its canonical
    form, so ids that look the same have the same key and body. Raises `InvalidRequestError` with the path of every
    wrong field; `models.checked_order` has the rules.
    """
    _check_class(request, _CREATE)
    try:
        values = order_values(request)
        body = write_json(values)
    except InvalidRequestError as error:
        raise _named(error, _CREATE) from None
    order_id: str = values["externalOrderId"]
    key = create_key(order_id) if idempotency_key is None else _checked(idempotency_key, _CREATE)
    return _with_body(_CREATE, _CREATE.path, body, key, ("externalOrderId", order_id))


def get_delivery(delivery_id: str, *, include_history: bool = False) -> Operation[Delivery]:
    """Fetch a delivery, with its past statuses if ``include_history`` (Source: GS RF)."""
    return _read(described.GET_DELIVERY, delivery_id, include_history=include_history or None)


def cancel_delivery(
    delivery_id: str, reason: str | None = None, idempotency_key: str | None = None
) -> Operation[Delivery]:
    """Cancel a delivery before its pickup completes (Source: CD RF).

    Without ``idempotency_key`` the key is ``{delivery_id}-cancel``.
    """
    path, about = _located(_CANCEL, (delivery_id,))
    body = _encoded(CancelRequest(reason=reason), _CANCEL)
    key = cancel_key(about[1]) if idempotency_key is None else _checked(idempotency_key, _CANCEL)
    return _with_body(_CANCEL, path, body, key, about)


def send_test_webhook(url: str, event_type: WebhookEventType | str) -> Operation[TestWebhook]:
    """Have the vendor send a test event to ``url`` (Source: RF).

    It takes no idempotency key, so a client repeats it only if nothing was sent.
    """
    name = described.SEND_TEST_WEBHOOK.name
    if not isinstance(event_type, str) or not event_type:
        raise InvalidRequestError("$.type", "expected an event type such as 'delivery.created'", operation=name)
    body = TestWebhookRequest(url=url, type=WebhookEventType(event_type))
    operation = _write(described.SEND_TEST_WEBHOOK, body=body)
    if not _is_web_address(url):
        raise InvalidRequestError("$.url", "expected an absolute http(s) URL", operation=name)
    return operation


def _read(spec: OperationSpec[T], *ids: str, **query: object) -> Operation[T]:
    """Make a request without a body; a parameter of the query that is None is left out."""
    path, about = _located(spec, ids) if ids else (spec.path, None)
    for name, value in query.items():
        if value is not None:
            path += ("&" if "?" in path else "?") + urlencode(_written(spec, name, value))
    return Operation(spec, path, {}, None, None, about)


def _write(spec: OperationSpec[T], *ids: str, body: object, key: str | None = None) -> Operation[T]:
    """Make a request whose body is a model of the class that the description names."""
    _check_class(body, spec)
    path, about = _located(spec, ids) if ids else (spec.path, None)
    return _with_body(spec, path, _encoded(body, spec), None if key is None else _checked(key, spec), about)


def _with_body(
    spec: OperationSpec[T], path: str, body: bytes, key: str | None, about: tuple[str, str] | None
) -> Operation[T]:
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return Operation(spec, path, headers, body, key, about)


def _encoded(body: object, spec: OperationSpec[Any]) -> bytes:
    try:
        return write_json(to_dict(body))
    except InvalidRequestError as error:
        raise _named(error, spec) from None


def _located(spec: OperationSpec[Any], ids: tuple[str, ...]) -> tuple[str, tuple[str, str]]:
    """Return a request's path, and the field of a response with the id that it holds if it is the right one."""
    path, about = spec.path, ("", "")
    for number, given in enumerate(ids):
        wire = spec.parameters[number].wire
        checked = _checked_id(given, spec)
        path = path.replace(f"{{{wire}}}", checked if _is_path_segment(checked) else quote(checked, safe=""))
        about = (wire, checked)
    return path, about


def _written(spec: OperationSpec[Any], name: str, value: object) -> list[tuple[str, str]]:
    """Return a parameter of the query as text, once for each value of a list."""
    parameter = next(parameter for parameter in spec.parameters if parameter.name == name)
    for kind in (parameter.kind, *get_args(parameter.kind)):
        if isinstance(kind, type) and issubclass(kind, Enum):
            _check_members(value, kind, name, spec)
    try:
        plain_value: object = unstructure(value, parameter.kind)
    except ConversionError as error:
        raise InvalidRequestError(name, error.problems[0][1], operation=spec.name) from None
    values = cast("list[object]", plain_value) if isinstance(plain_value, list) else [plain_value]
    return [(parameter.wire, str(one).lower() if isinstance(one, bool) else str(one)) for one in values]


def _check_members(value: object, kind: type[Enum], name: str, spec: OperationSpec[Any]) -> None:
    """Raise `InvalidRequestError` for a value, or an element of a tuple, that is no member of an enumeration."""
    values = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    wrong = next((one for one in values if not isinstance(one, kind)), None)
    if wrong is not None:
        example = f"{kind.__name__}.{next(iter(kind)).name}"
        problem = f"expected a member of {kind.__name__}, such as {example}; got {type(wrong).__name__}"
        raise InvalidRequestError(name, problem, operation=spec.name)


def _checked(key: str, spec: OperationSpec[Any]) -> str:
    return checked_key(key, operation=spec.name)


def _named(error: InvalidRequestError, spec: OperationSpec[Any]) -> InvalidRequestError:
    error.operation = spec.name
    return error


def _check_class(model: object, spec: OperationSpec[Any]) -> None:
    kind = spec.request
    if kind is not None and not isinstance(model, kind):
        raise InvalidRequestError("$", f"expected {kind.__name__}, got {type(model).__name__}", operation=spec.name)


def _checked_id(delivery_id: str, spec: OperationSpec[Any]) -> str:
    if type(delivery_id) is str and _is_path_segment(delivery_id):
        return delivery_id
    # A dot segment or a slash would address another resource than the caller named.
    safe = isinstance(delivery_id, str) and is_visible_ascii(delivery_id) and delivery_id not in {".", ".."}
    if not safe or not _UNSAFE_IN_PATH.isdisjoint(delivery_id):
        raise InvalidRequestError(
            "delivery_id",
            "must be visible ASCII without / \\ ? # %, such as dlv_01hfz18tnb7tqw, exactly as the API returned it",
            operation=spec.name,
        )
    return plain(delivery_id)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        return False
