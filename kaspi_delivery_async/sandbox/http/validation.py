"""Checks of what callers send: each takes parsed JSON and returns the documented part, or refuses it by its path."""

from collections.abc import Collection
from typing import cast

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.http.messages import HttpError, bad_request
from kaspi_delivery_async.sandbox.webhooks.urls import url_problem

Object = dict[str, object]

MAX_KEY_LENGTH = 255
"""Of an idempotency key, in characters. No length is documented; this one lets any sensible key pass."""

_NAMES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


class Validator:
    """Checks the bodies of the Delivery API; ``strict`` refuses fields that no page describes."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict

    def delivery_request(self, value: object) -> tuple[str, Object]:
        """Check the body of a create and return the order's id and its documented fields. Source: RF.

        Raises:
            HttpError: 400 that names the path of the first wrong field.

        """
        body = self._object(value, "$", ("externalOrderId", "pickup", "dropoff", "parcel"))
        order_id = _string(body, "externalOrderId", "$")
        if not order_id:
            raise bad_request("$.externalOrderId: must not be empty")
        order: Object = {
            "externalOrderId": order_id,
            "pickup": self._location(body, "pickup"),
            "dropoff": self._location(body, "dropoff"),
            "parcel": self._parcel(body),
        }
        return order_id, order

    def cancel_request(self, value: object) -> str | None:
        """Check the body of a cancel and return its reason, if any.

        Raises:
            HttpError: 400 that names the path of the wrong field.

        """
        body = self._object(value, "$", ("reason",))
        return _string(body, "reason", "$") if "reason" in body else None

    def test_webhook_request(self, value: object) -> tuple[str, str]:
        """Check the body of a test webhook and return its URL and event type.

        Raises:
            HttpError: 400 that names the path of the first wrong field.

        """
        body = self._object(value, "$", ("url", "type"))
        url = _string(body, "url", "$")
        event_type = _string(body, "type", "$")
        problem = url_problem(url)
        if problem:
            raise bad_request(f"$.url: {problem}")
        known = lifecycle.EVENT_TYPES.values()
        if event_type not in known:
            raise bad_request(f"$.type: expected one of {', '.join(known)}")
        return url, event_type

    def _location(self, body: Object, name: str) -> Object:
        path = f"$.{name}"
        location = self._object(_field(body, name, "$"), path, ("address", "contact", "notes"))
        contact = self._object(_field(location, "contact", path), f"{path}.contact", ("name", "phone"))
        checked: Object = {
            "address": _string(location, "address", path),
            "contact": {
                "name": _string(contact, "name", f"{path}.contact"),
                "phone": _string(contact, "phone", f"{path}.contact"),
            },
        }
        if "notes" in location:
            checked["notes"] = _string(location, "notes", path)
        return checked

    def _parcel(self, body: Object) -> Object:
        parcel = self._object(_field(body, "parcel", "$"), "$.parcel", ("description", "weightGrams", "valueKzt"))
        return {
            "description": _string(parcel, "description", "$.parcel"),
            "weightGrams": _integer(parcel, "weightGrams", "$.parcel"),
            "valueKzt": _integer(parcel, "valueKzt", "$.parcel"),
        }

    def _object(self, value: object, path: str, fields: tuple[str, ...]) -> Object:
        found = as_object(value, path)
        if self._strict:
            refuse_unknown(found, fields, path)
        return found


def as_object(value: object, path: str) -> Object:
    """Check that a value is an object.

    Raises:
        HttpError: 400 that names the path.

    """
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    return cast("Object", value)


def refuse_unknown(found: Collection[str], known: Collection[str], path: str) -> None:
    """Refuse names that are not known.

    Raises:
        HttpError: 400 that names the first of them, and those that there are.

    """
    for name in found:
        if name not in known:
            expected = f"expected {', '.join(known)}" if known else "none is expected"
            raise bad_request(f"{path}.{name[:100]}: there is no such field; {expected}")


def wrong_type(path: str, expected: str, value: object) -> HttpError:
    """Make the refusal of a value of a wrong type.

    It says which kind of value came, never the value: it may be a phone or an address.
    """
    return bad_request(f"{path}: expected {expected}, got {_NAMES.get(type(value), 'null')}")


def idempotency_key(key: str) -> str:
    """Check an ``Idempotency-Key``: 1 to 255 visible ASCII characters.

    Raises:
        HttpError: 400.

    """
    if not is_key(key) or len(key) > MAX_KEY_LENGTH:
        raise bad_request(f"Idempotency-Key: expected 1 to {MAX_KEY_LENGTH} visible ASCII characters")
    return key


def is_key(text: object) -> bool:
    """Whether a header can carry a text as a key: visible ASCII characters, at least one."""
    return isinstance(text, str) and text != "" and all("!" <= character <= "~" for character in text)


def boolean_parameter(values: tuple[str, ...], name: str) -> bool:
    """Check a query parameter that is ``true`` or ``false``; without it, false.

    Raises:
        HttpError: 400 if it is something else or given more than once.

    """
    if not values:
        return False
    if values == ("true",):
        return True
    if values == ("false",):
        return False
    raise bad_request(f"query parameter {name}: expected true or false, once")


def _field(parent: Object, name: str, path: str) -> object:
    try:
        return parent[name]
    except KeyError:
        raise bad_request(f"{path}.{name}: is required") from None


def _string(parent: Object, name: str, path: str) -> str:
    value = _field(parent, name, path)
    if type(value) is not str:
        raise wrong_type(f"{path}.{name}", "a string", value)
    return value


def _integer(parent: Object, name: str, path: str) -> int:
    value = _field(parent, name, path)
    if type(value) is not int:
        raise wrong_type(f"{path}.{name}", "an integer", value)
    return value
