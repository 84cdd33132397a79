"""Webhook URLs: which receivers may be called."""

import ipaddress
from urllib.parse import urlsplit


def url_problem(url: str) -> str | None:
    """Return what is wrong with the URL of a webhook receiver, if anything."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        return "expected an absolute http or https URL"
    return None


def is_loopback(url: str) -> bool:
    """Whether a valid URL names this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
