"""How a client calls the API: settings as frozen values, refused when they make no sense."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Awaitable, Callable
from enum import StrEnum
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async.errors import ConfigurationError


class Environment(StrEnum):
    """The vendor's two installations; their keys differ (Source: GS AU)."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"

    @property
    def base_url(self) -> str:
        """Where the environment is reached (Source: GS)."""
        return _BASE_URLS[self]


_BASE_URLS = {
    Environment.SANDBOX: "https://sandbox.kaspi.kz/delivery",
    Environment.PRODUCTION: "https://api.kaspi.kz/delivery",
}


def _positive(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and value > 0):
        raise ConfigurationError(
            f"{type(instance).__name__}.{attribute.name} is {value!r}; it must be a positive, finite number"
        )


def _at_least_one(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(
            f"{type(instance).__name__}.{attribute.name} is {value!r}; it must be a whole number, 1 or more"
        )


@attrs.frozen
class Timeout:
    """How long a call may take, in seconds on the monotonic clock.

    Raises `ConfigurationError` unless ``0 < attempt <= total``, both finite.
    """

    attempt: float = attrs.field(default=10.0, validator=_positive)
    """One exchange, from connecting to the last byte of the body (Source: AU suggests 10 s)."""
    total: float = attrs.field(default=30.0, validator=_positive)
    """The whole call: every attempt and every wait between them."""

    def __attrs_post_init__(self) -> None:
        if self.attempt > self.total:
            raise ConfigurationError(
                f"Timeout.attempt ({self.attempt} s) exceeds Timeout.total ({self.total} s); "
                "an attempt cannot outlast its call: lower `attempt` or raise `total`"
            )


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often a call is tried, and how its waits grow (Source: AU EX recommend backoff with jitter).

    The wait after attempt *n* is drawn evenly between 0 and ``min(cap, base * 2 ** (n - 1))``
    seconds; a ``Retry-After`` of the server is added below it. ``max_attempts=1`` never retries.
    Raises `ConfigurationError` unless ``max_attempts >= 1`` and ``0 < base <= cap``.
    """

    max_attempts: int = attrs.field(default=4, validator=_at_least_one)
    """Attempts in all, the first included."""
    base: float = attrs.field(default=0.5, validator=_positive)
    """Longest wait after the first attempt, in seconds."""
    cap: float = attrs.field(default=8.0, validator=_positive)
    """Longest wait after any attempt, in seconds, before ``Retry-After`` is added."""

    def __attrs_post_init__(self) -> None:
        if self.base > self.cap:
            raise ConfigurationError(
                f"RetryPolicy.base ({self.base} s) exceeds RetryPolicy.cap ({self.cap} s); lower `base` or raise `cap`"
            )


@attrs.frozen(kw_only=True)
class Limits:
    """How hard the API may be pressed by one process, per API key and host.

    The vendor publishes no rate limit, so by default the client finds the bearable concurrency by
    itself from the 429 answers. Raises `ConfigurationError` for anything below 1 connection or for
    a rate that is not positive.
    """

    max_connections: int = attrs.field(default=100, validator=_at_least_one)
    """Requests under way at once, at the most."""
    rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(_positive))
    """Requests per second that the vendor granted you, if you know it; None finds out."""


def checked_base_url(url: str) -> str:
    """Return ``url`` without a trailing slash, or raise `ConfigurationError`.

    The API key travels in a header, so plain ``http`` is accepted for a loopback host only. The
    message repeats no part of the URL but scheme and host: the rest may hold credentials.
    """
    if not isinstance(url, str):
        raise ConfigurationError("base_url must be a text that looks like https://host/path")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ConfigurationError(
            "base_url holds characters that no URL may hold (blanks, backslashes, control or non-ASCII ones)"
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("base_url is not a URL; it must look like https://host/path") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise ConfigurationError("base_url must look like https://host/path")
    # Even an empty query would swallow the paths that follow the base URL.
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigurationError(f"base_url for {host} must hold no user name, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"base_url is plain http to {host}, which would send the API key unencrypted; "
            "use https (http is accepted for loopback addresses only)"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


ApiKeySource = str | Callable[[], str | Awaitable[str]]
"""An API key, or a function (sync or async) that returns the current one."""
