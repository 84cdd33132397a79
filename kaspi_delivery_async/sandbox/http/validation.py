"""Checks of what callers send: each takes parsed JSON and returns the documented part, or refuses it by its path."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar, cast

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.http.messages import HttpError, bad_request
from kaspi_delivery_async.sandbox.webhooks.urls import url_problem

T = TypeVar("T")

Object = dict[str, object]

Query = Mapping[str, tuple[str, ...]]

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1000
"""Of a list: more at once would hold up everything else."""
_COUNT = re.compile("[0-9]{1,15}")

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


def single(query: Query, name: str) -> str | None:
    """Return a query parameter that may be given once.

    Raises:
        HttpError: 400 if it is given more than once.

    """
    values = query.get(name, ())
    if len(values) > 1:
        raise bad_request(f"query parameter {name}: expected once")
    return values[0] if values else None


def page_bounds(query: Query, *, cursor: str) -> tuple[int, int | None]:
    """Return how many entries to list, and before which; ``cursor`` is the parameter that says the latter.

    Raises:
        HttpError: 400 if one of them is not a number in its range.

    """
    limit, before = single(query, "limit"), single(query, cursor)
    if limit is not None and not (_COUNT.fullmatch(limit) and 1 <= int(limit) <= _MAX_LIMIT):
        raise bad_request(f"query parameter limit: expected 1 to {_MAX_LIMIT}; `next` leads on from there")
    if before is not None and not _COUNT.fullmatch(before):
        raise bad_request(f"query parameter {cursor}: expected the `next` of an earlier response")
    return _DEFAULT_LIMIT if limit is None else int(limit), None if before is None else int(before)


def page(query: Query, chosen: Sequence[tuple[int, T]], *, cursor: str) -> tuple[list[T], int | None]:
    """Return the newest of some numbered entries that a request lists, and the cursor of those before them.

    Raises:
        HttpError: 400, as `page_bounds`.

    """
    limit, before = page_bounds(query, cursor=cursor)
    older = [entry for entry in chosen if before is None or entry[0] < before]
    newest = older[-limit:]
    return [entry for _, entry in newest], newest[0][0] if len(older) > limit else None


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
