"""The API's data as frozen attrs classes, and their way to JSON and back.

The classes are generated from ``openapi/kaspi-delivery.yaml``. They are tolerant of what the
server sends (unknown fields are ignored, unknown statuses keep their text) and strict about what
is sent to it: a wrong type is refused with its path before anything leaves. A ``repr`` leaves out
names, phones, addresses and notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

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
from kaspi_delivery_async._wire.converter import ConversionError, structure, unstructure
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    "from_dict",
    "from_json",
    "to_dict",
    "to_json",
]

T = TypeVar("T")


def from_dict(model: type[T], values: Mapping[str, Any]) -> T:
    """Build ``model`` from plain JSON values under their wire names.

    Raises `InvalidRequestError` that names every missing or wrong field by its path.
    """
    try:
        return structure(values, model)
    except ConversionError as error:
        raise _invalid(error) from None


def from_json(model: type[T], text: bytes | str) -> T:
    """Build ``model`` from a JSON text; raises `InvalidRequestError` as `from_dict` does, and for bad JSON at ``$``."""
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError("$", _not_utf8(text) or f"not JSON: {error}") from None
    return from_dict(model, values)


def to_dict(model: object) -> dict[str, Any]:
    """Turn ``model`` into plain JSON values under their wire names; optional fields that are None are left out.

    Raises `InvalidRequestError` that names every field holding a value of a wrong type.
    """
    try:
        return unstructure(model)
    except ConversionError as error:
        raise _invalid(error) from None


def to_json(model: object) -> bytes:
    """Turn ``model`` into JSON; raises `InvalidRequestError` as `to_dict` does."""
    values = to_dict(model)
    try:
        return orjson.dumps(values)
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer beyond 64 bits; orjson does not say where
        raise _invalid(ConversionError(tuple(_unwritable(values, "$")))) from None


def _not_utf8(text: bytes | str) -> str | None:
    if isinstance(text, bytes):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            return f"not UTF-8 text (byte {error.start + 1})"
    return None


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
    return InvalidRequestError(path, "; ".join([problem, *(f"{where}: {what}" for where, what in others)]))
