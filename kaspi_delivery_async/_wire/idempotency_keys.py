"""Idempotency keys: which one a request carries, and what a header may hold (Source: GS AU CD)."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from kaspi_delivery_async._wire.headers import is_visible_ascii
from kaspi_delivery_async._wire.text import plain
from kaspi_delivery_async.errors import InvalidRequestError

MAX_KEY_LENGTH = 128
"""Longest key that is sent; the vendor documents no bound, so this is the project's own."""

RESEND_WINDOW = 23 * 3600.0
"""Seconds for which a key is trusted: the vendor forgets it at 24 h, and a repeat would then act twice (Source: AU)."""


class Moment(NamedTuple):
    """One moment, as both clocks of the machine show it."""

    wall: float
    """Unix seconds."""
    monotonic: float
    """Seconds on a clock that nobody can set, but that stands still while a machine sleeps."""


class KeyAge:
    """Age of an idempotency key since its first send, by the clock that has advanced further.

    While a machine is suspended only its wall clock goes on, and a wall clock can be set back. So each reading adds
    the larger of the two clocks' steps since the reading before: neither makes a key younger.
    """

    __slots__ = ("_last", "_seconds")

    def __init__(self, now: Moment, *, seconds: float = 0.0) -> None:
        """Start at ``now``, when the key is ``seconds`` old already."""
        self._last = now
        self._seconds = seconds

    def at(self, now: Moment) -> float:
        """Return the key's age in seconds."""
        wall, monotonic = self._last
        self._seconds += max(now.wall - wall, now.monotonic - monotonic, 0.0)
        self._last = now
        return self._seconds


def create_key(order_id: str) -> str:
    """Return the default key of a create: the canonical order id where a header can carry it, else a digest of it.

    Cyrillic order ids are normal in Kazakhstan, and HTTP headers are ASCII.
    """
    return _carried(order_id) or f"order-{_digest(order_id)}"


def cancel_key(delivery_id: str) -> str:
    """Return the default key of a cancel: the delivery id with ``-cancel`` behind it."""
    return _carried(f"{delivery_id}-cancel") or f"cancel-{_digest(delivery_id)}"


def checked_key(key: str, *, operation: str) -> str:
    """Return a caller's key as plain text, or raise `InvalidRequestError`."""
    if not isinstance(key, str) or not _carried(key):
        raise InvalidRequestError(
            "idempotency_key",
            f"must be 1 to {MAX_KEY_LENGTH} visible ASCII characters without blanks, for it travels in a header; "
            "leave it out to have one derived from the request",
            operation=operation,
        )
    return plain(key)


def _carried(key: str) -> str | None:
    return key if len(key) <= MAX_KEY_LENGTH and is_visible_ascii(key) else None


def _digest(text: str) -> str:
    # "surrogatepass" keeps this total; such an id is refused when the body is encoded.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
