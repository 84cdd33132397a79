"""What the control API takes: query parameters and fields, each known by name and of its type."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType, NoneType
from typing import Any

import attrs

from kaspi_delivery_async.sandbox.http import validation
from kaspi_delivery_async.sandbox.http.messages import HttpRequest, HttpResponse, bad_request, json_body

TEXT = (str,)
NUMBER = (int, float)
_EXPECTED: Mapping[tuple[type, ...], str] = {
    TEXT: "a string",
    NUMBER: "a number",
    (list,): "an array",
    (str, NoneType): "a string or null",
}


@attrs.frozen
class Given:
    """A request whose parameters and fields have been checked."""

    request: HttpRequest
    fields: Mapping[str, Any]

    def single(self, name: str) -> str | None:
        """Return a query parameter that may be given once; see `validation.single`."""
        return validation.single(self.request.query, name)

    def page(self) -> tuple[int, int | None]:
        """Return how many entries to list, and before which; see `validation.page_bounds`."""
        return validation.page_bounds(self.request.query, cursor="before")


@attrs.frozen
class Operation:
    """What a method does at a path, and what it takes."""

    handle: Callable[[Given], Awaitable[HttpResponse]]
    query: tuple[str, ...] = ()
    body: Mapping[str, tuple[type, ...]] = MappingProxyType({})
    required: tuple[str, ...] = ()


def read(request: HttpRequest, operation: Operation) -> Given:
    """Check the names of query parameters, and that the body is an object with fields of the operation.

    Raises:
        HttpError: 400 that names what is not known, missing, or of a wrong type; 415 for a body that is not JSON.

    """
    for name in request.query:
        if name not in operation.query:
            expected = f"expected {', '.join(operation.query)}" if operation.query else "none is expected"
            raise bad_request(f"query parameter {name[:100]}: there is no such parameter; {expected}")
    if not request.body and not operation.required:
        return Given(request, {})
    fields = validation.as_object(json_body(request), "$")
    validation.refuse_unknown(fields, operation.body, "$")
    for name in operation.required:
        if name not in fields:
            raise bad_request(f"$.{name}: is required")
    for name, value in fields.items():
        accepted = operation.body[name]
        if type(value) not in accepted:
            raise validation.wrong_type(f"$.{name}", _EXPECTED[accepted], value)
    return Given(request, fields)
