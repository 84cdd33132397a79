"""The response of an operation: its value, with status, headers, attempts and idempotency key."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import attrs
from multidict import CIMultiDict, CIMultiDictProxy

from kaspi_delivery_async.errors import Attempt

__all__ = ["Response"]

T = TypeVar("T")

_SECRET_HEADERS = frozenset({"set-cookie", "x-api-key"})


@attrs.frozen(kw_only=True)
class Response(Generic[T]):
    """The value of an operation, with details of the call that produced it. It pickles and copies."""

    value: T
    """The model of the response."""
    status: int
    """HTTP status of the response."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """Headers of the response, found under their names in any case; without cookies, and without the API key."""
    replayed: bool
    """Whether the server sent the result that it had kept under the idempotency key (Source: GS AU)."""
    attempts: tuple[Attempt, ...]
    """All attempts of the call, the last one successful."""
    idempotency_key: str | None
    """The key under which the operation was sent."""

    def __reduce__(self) -> tuple[object, ...]:
        # A read-only view of headers does not pickle; what it shows does.
        fields: dict[str, Any] = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        fields["headers"] = CIMultiDict(self.headers)
        return _rebuild, (fields,)


def _rebuild(fields: dict[str, Any]) -> Response[Any]:
    fields["headers"] = CIMultiDictProxy(fields["headers"])
    return Response(**fields)


def shown_headers(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
    """Return the headers without cookies and without the API key."""
    if not any(name in headers for name in _SECRET_HEADERS):
        return headers
    shown = headers.copy()
    for name in _SECRET_HEADERS:
        shown.popall(name, None)
    return CIMultiDictProxy(shown)
