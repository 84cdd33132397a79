"""The response of an operation: its value, with status, headers, attempts and idempotency key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
from multidict import CIMultiDictProxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspi_delivery_async.errors import Attempt


T = TypeVar("T")

_SECRET_HEADERS = frozenset({"set-cookie", "x-api-key"})


@attrs.frozen(kw_only=True)
class Response(Generic[T]):
    """An operation's value with what is worth knowing about the call."""

    value: T
    """The model of the answer."""
    status: int
    """HTTP status of the answer."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """Headers of the answer, found under their names in any case; without cookies, and without the API key."""
    replayed: bool
    """Whether the server answered from its memory of the idempotency key: the work was done before (Source: GS AU)."""
    attempts: tuple[Attempt, ...]
    """All exchanges of the call, the last one successful."""
    idempotency_key: str | None
    """The key under which the operation was sent."""


def shown_headers(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
    """Return the headers without cookies and without the API key."""
    if not any(name in headers for name in _SECRET_HEADERS):
        return headers
    shown = headers.copy()
    for name in _SECRET_HEADERS:
        shown.popall(name, None)
    return CIMultiDictProxy(shown)
