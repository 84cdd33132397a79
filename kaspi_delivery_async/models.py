"""The API's data as frozen attrs classes, and functions that turn them into JSON and back.

The classes are generated from ``openapi/kaspi-delivery.yaml``. Reading is tolerant of what the server sends (unknown
fields are ignored, unknown statuses keep their text) and strict about what is sent to it: an unknown field or a wrong
type is refused by its path. A ``repr`` leaves out names, phones, addresses and notes.
"""

import functools
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeVar, cast

import orjson

from kaspi_delivery_async._generated.models import (
    CancelRequest,
    Contact,
    Delivery,
    DeliveryCreated,
    DeliveryRequest,
    DeliveryStatus,
    DeliveryWebhook,
    DeliveryWebhookData,
    ErrorResponse,
    Eta,
    Location,
    Parcel,
    StatusHistory,
    TestWebhook,
    TestWebhookRequest,
    WebhookEventType,
)
from kaspi_delivery_async._generated.operations import ALL
from kaspi_delivery_async._wire.body import load_json
from kaspi_delivery_async._wire.conversion.converter import structure, structure_closed, unstructure
from kaspi_delivery_async._wire.conversion.thorough import ConversionError
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async._wire.order_rules import order_problems
from kaspi_delivery_async.errors import InvalidRequestError

__all__ = [
    "CancelRequest",
    "Contact",
    "Delivery",
    "DeliveryCreated",
    "DeliveryRequest",
    "DeliveryStatus",
    "DeliveryWebhook",
    "DeliveryWebhookData",
    "ErrorResponse",
    "Eta",
    "Location",
    "Parcel",
    "StatusHistory",
    "TestWebhook",
    "TestWebhookRequest",
    "WebhookEventType",
    "checked_order",
    "from_dict",
    "from_json",
    "to_dict",
    "to_json",
]

T = TypeVar("T")

_SENT = frozenset({spec.request for spec in ALL} - {spec.result for spec in ALL})
"""Models that are sent and never received. In these, an unknown field is a misspelt one."""


def from_dict(model: type[T], values: Mapping[str, Any]) -> T:
    """Build ``model`` from plain JSON values under their wire names.

    Raises `InvalidRequestError` that names every missing or wrong field by its path; for a model that is sent, such as
    `DeliveryRequest`, every unknown field, too. What an order must hold beyond that, `checked_order` checks.
    """
    try:
        return structure_closed(values, model) if model in _SENT else structure(values, model)
    except ConversionError as error:
        raise _invalid(error) from None


def from_json(model: type[T], text: bytes | str) -> T:
    """Build ``model`` from JSON text; raises `InvalidRequestError` as `from_dict` does, and for bad JSON at ``$``.

    A byte order mark in front is skipped.
    """
    try:
        values = load_json(text)
    except ConversionError as error:
        raise _invalid(error) from None
    return from_dict(model, values)


def to_dict(model: object) -> dict[str, Any]:
    """Turn ``model`` into plain JSON values under their wire names; optional fields that are None are left out.

    Of a subclass of a model, only the API's own fields are taken. Raises `InvalidRequestError` that names every field
    with a value of a wrong type.
    """
    try:
        return unstructure(model, _api_class(cast("Hashable", type(model))))
    except ConversionError as error:
        raise _invalid(error) from None


def to_json(model: object) -> bytes:
    """Turn ``model`` into JSON; raises `InvalidRequestError` as `to_dict` does."""
    return write_json(to_dict(model))


def checked_order(order: DeliveryRequest) -> DeliveryRequest:
    """Return the order as `create_delivery` sends it, or raise `InvalidRequestError` with all that is wrong with it.

    No required text may be blank, the parcel weighs at least 1 gram, its value is not negative, and a phone that a
    spreadsheet has turned into ``8,7010E+10`` is refused. The ``external_order_id`` is brought into its canonical
    form: ids that look the same are one order.
    """
    values = order_values(order)
    if type(order) is DeliveryRequest and values["externalOrderId"] == order.external_order_id:
        return order
    return structure(values, DeliveryRequest)


def order_values(order: DeliveryRequest) -> dict[str, Any]:
    """Return the plain JSON values of `checked_order`."""
    try:
        values = unstructure(order, DeliveryRequest)
    except ConversionError as error:
        raise _invalid(error) from None
    values["externalOrderId"] = canonical_order_id(values["externalOrderId"])
    problems = order_problems(values)
    if problems:
        raise _invalid(ConversionError(problems))
    return values


def write_json(values: object) -> bytes:
    """Return plain JSON values as text."""
    try:
        return orjson.dumps(values)
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer beyond 64 bits; orjson does not say where
        raise _invalid(ConversionError(_unwritable(values, "$"))) from None


@functools.cache
def _api_class(kind: Any) -> type[Any]:
    """Return the generated class that ``kind`` is or derives from, or else ``kind``."""
    bases: tuple[type[Any], ...] = kind.__mro__
    return next((base for base in bases if base.__module__ == DeliveryRequest.__module__), bases[0])


def _unwritable(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Name every place at or below ``path`` that JSON cannot carry."""
    if isinstance(value, dict):
        for name, part in cast("dict[str, object]", value).items():
            yield from _unwritable(part, f"{path}.{name}")
    elif isinstance(value, list):
        for index, part in enumerate(cast("list[object]", value)):
            yield from _unwritable(part, f"{path}[{index}]")
    else:
        try:
            orjson.dumps(value)
        except orjson.JSONEncodeError as error:
            yield path, f"cannot be written as JSON: {error}"


def _invalid(error: ConversionError) -> InvalidRequestError:
    (path, problem), *others = error.problems
    if error.unnamed:
        others.append(("$", f"{error.unnamed} more fields are wrong"))
    return InvalidRequestError(path, problem, others=others)
