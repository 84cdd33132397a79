"""Settings of a client: frozen values, refused with a `ConfigurationError` when they make no sense."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async.errors import ConfigurationError

__all__ = ["ApiKeySource", "Environment", "Limits", "RetryPolicy", "Timeout"]


class Environment(StrEnum):
    """The vendor's two installations; their keys differ (Source: GS AU)."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"

    @property
    def base_url(self) -> str:
        """URL of the environment (Source: GS)."""
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
    """Time limits of a call, in seconds on the monotonic clock.

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
    """How often to retry, and how long to wait in between (Source: AU EX recommend backoff with jitter).

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
    """Limits on the requests of one process, for each API key and host.

    The vendor publishes no rate limit, so by default the client adapts its concurrency to 429 responses. Pauses that
    a 429 asks for, the rate and the retry budget are shared by all clients of a key and host in the process. Raises
    `ConfigurationError` for anything below 1 connection or for a rate that is not positive.
    """

    max_connections: int = attrs.field(default=100, validator=_at_least_one)
    """Maximum number of concurrent requests."""
    rate: float | None = attrs.field(default=None, validator=attrs.validators.optional(_positive))
    """Your rate limit in requests per second, if you know it; None adapts to 429 responses."""


@attrs.frozen(kw_only=True)
class CallOptions:
    """The options of a client's calls; raises `ConfigurationError` for values of other types."""

    timeout: Timeout
    retry: RetryPolicy
    limits: Limits

    def __attrs_post_init__(self) -> None:
        # A plain number is what other libraries take; accepted here, it would fail at the first call only.
        if not isinstance(self.timeout, Timeout):
            raise ConfigurationError(f"timeout is {self.timeout!r}; pass Timeout(attempt=..., total=...), in seconds")
        if not isinstance(self.retry, RetryPolicy):
            raise ConfigurationError(f"retry is {self.retry!r}; pass RetryPolicy(max_attempts=...)")
        if not isinstance(self.limits, Limits):
            raise ConfigurationError(f"limits is {self.limits!r}; pass Limits(max_connections=..., rate=...)")


def checked_environment(name: Environment | str) -> Environment:
    """Return the environment of this name, or raise `ConfigurationError`."""
    try:
        return Environment(name)
    except ValueError:
        known = " or ".join(repr(str(environment)) for environment in Environment)
        raise ConfigurationError(f"unknown environment {name!r}; it is {known} (KASPI_ENVIRONMENT)") from None


_AUTHORITY = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63})\.?)(?::[0-9]{0,5})?"
)
_LONGEST_HOST = 253


def checked_base_url(url: str) -> str:
    """Return ``url`` without a trailing slash, or raise `ConfigurationError`.

    The API key travels in a header, so plain ``http`` is accepted for a loopback host only. The
    message quotes no part of the URL but scheme and host: the rest may hold credentials.
    """
    if not isinstance(url, str):
        raise ConfigurationError("base_url must be a string such as https://host/path")
    url = str.__str__(url)  # a member of an enumeration of strings is its value
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ConfigurationError(
            "base_url contains characters that no URL may hold (spaces, backslashes, controls, non-ASCII ones)"
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
        raise ConfigurationError(f"base_url for {host} must contain no user name, query or fragment")
    if not _is_possible_host(parts.netloc):
        raise ConfigurationError(f"base_url names a host that cannot exist ({parts.netloc}); check its spelling")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"base_url is plain http to {host}, which would send the API key unencrypted; "
            "use https (http is accepted for loopback addresses only)"
        )
    return url.rstrip("/")


def _is_possible_host(netloc: str) -> bool:
    found = _AUTHORITY.fullmatch(netloc)
    if found is None:
        return False
    name = found["ipv6"] or found["name"]
    try:
        if found["ipv6"]:
            ipaddress.IPv6Address(name)
        elif name.rpartition(".")[2].isdigit():
            ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return len(name) <= _LONGEST_HOST


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that nothing sent to it leaves the machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


ApiKeySource = str | Callable[[], str | Awaitable[str]]
"""An API key, or a function (sync or async) that returns the current one."""
