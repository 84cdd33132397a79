"""Checks of a sandbox's settings; each error begins with the setting's name."""

import ipaddress
import math
from collections.abc import Iterable

from kaspi_delivery_async.sandbox.http.validation import is_key
from kaspi_delivery_async.sandbox.webhooks.message import secret_problem
from kaspi_delivery_async.sandbox.webhooks.urls import is_loopback, url_problem

_HIGHEST_PORT = 65535


def check_numbers(*, port: int, answer_limit: float, keep: int) -> None:
    """Refuse numbers that are out of their range, by name."""
    if not 0 <= port <= _HIGHEST_PORT:
        raise ValueError(f"port: 0 (any free one) to {_HIGHEST_PORT}, not {port!r}")
    if not 0 < answer_limit < math.inf:
        raise ValueError(f"answer_limit: a positive number of seconds, not {answer_limit!r}")
    if keep < 0:
        raise ValueError(f"keep: 0 or more entries, not {keep!r}")


def checked_key(key: str, name: str) -> str:
    """Return an API key that a client can send."""
    if not is_key(key):
        raise ValueError(f"{name}: visible ASCII characters without blanks, as a header carries it")
    return key


def checked_secret(secret: str) -> str:
    """Return a signing secret that a receiver can have."""
    problem = secret_problem(secret)
    if problem is not None:
        raise ValueError(f"webhook_secret: {problem}")
    return secret


def checked_receiver(url: str | None) -> str | None:
    """Return the URL of a receiver on this machine."""
    if url is not None:
        problem = url_problem(url)
        if problem is None and not is_loopback(url):
            problem = "the sandbox sends to this machine only (127.0.0.0/8, ::1, localhost)"
        if problem is not None:
            raise ValueError(f"webhook_url: {problem}")
    return url


def host_names(host: str, allowed: Iterable[str]) -> frozenset[str]:
    """Return the names by which a sandbox may be called: the one that it listens on, and those that were allowed."""
    names = {name.strip().lower().strip("[]") for name in (host, *allowed)}
    return frozenset(name for name in names if not _is_wildcard(name))


def reachable(host: str) -> str:
    """Return a host as it stands in a URL that a client of this machine can use."""
    if _is_wildcard(host):
        return "[::1]" if ":" in host else "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""
