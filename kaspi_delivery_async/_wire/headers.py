"""HTTP headers: the characters that a value may hold, ``Retry-After`` and ``X-Idempotent-Replay``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


LONGEST_RETRY_AFTER = 1e9
"""Seconds, about 30 years: stands for every larger number, so that arithmetic on it stays finite."""

LONGEST_PAUSE = 3600.0
"""Seconds of a pause that are believed: nothing that a server sends stops a process for longer."""


_MILLISECONDS = 1e11
"""A larger Unix time counts milliseconds: in seconds, it would be the year 5138."""


_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_visible_ascii = re.compile("[!-~]+").fullmatch


def header(headers: Mapping[str, str], name: str) -> str:
    """Return the first header of this name in any case, or an empty text."""
    wanted = name.lower()
    return next((text for key, text in headers.items() if key.lower() == wanted), "")


def is_replay(headers: Mapping[str, str]) -> bool:
    """Whether the response is one that the server had kept under the idempotency key (Source: GS AU)."""
    return header(headers, "X-Idempotent-Replay").lower() == "true"


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, 0 or more; None if it is absent or makes no sense.

    A date is compared with the response's own ``Date``, if it has one, so that a wrong clock of this machine neither
    shortens nor lengthens the wait.
    """
    text = header(headers, "Retry-After").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER)
    moment = _http_date(text)
    if moment is None:
        return None
    now = _http_date(header(headers, "Date")) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def believed_pause(headers: Mapping[str, str]) -> float | None:
    """Return the pause that ``Retry-After`` asks for, at most `LONGEST_PAUSE` seconds.

    A number that is plainly a moment, in Unix seconds or milliseconds, is read as one.
    """
    seconds = parse_retry_after(headers)
    if seconds is None:
        return None
    text = header(headers, "Retry-After").strip()
    if seconds >= LONGEST_RETRY_AFTER and _SECONDS.fullmatch(text):
        moment = float(text)
        now = (_http_date(header(headers, "Date")) or datetime.now(UTC)).timestamp()
        seconds = max(0.0, (moment if moment < _MILLISECONDS else moment / 1000) - now)
    return min(seconds, LONGEST_PAUSE)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_visible_ascii(text: str) -> bool:
    """Whether every character is printable ASCII and none is a blank; false for an empty text."""
    return _visible_ascii(text) is not None
