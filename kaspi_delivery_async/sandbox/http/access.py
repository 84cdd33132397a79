"""Who may ask: programs of this machine, and no web page that its user happens to visit.

A page of another site can make a browser send requests here. Those carry an ``Origin`` or ``Sec-Fetch-Site`` of that
site, or, where its name was made to resolve to this machine (DNS rebinding), a ``Host`` that is not ours.
"""

import ipaddress
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async.sandbox.http.messages import HttpError


@attrs.frozen(kw_only=True)
class Source:
    """Where a request says that it comes from, and the address that it came to."""

    hosts: Sequence[str]
    """Every ``Host`` header."""
    origins: Sequence[str]
    """Every ``Origin`` header."""
    fetch_sites: Sequence[str]
    """Every ``Sec-Fetch-Site`` header."""
    address: str
    """The address of this machine that the connection was made to."""
    port: int


def check_source(source: Source, *, names: Collection[str]) -> None:
    """Refuse what a browser sends for another site; ``names`` are further ones by which this sandbox is known.

    Raises:
        HttpError: 421 for the ``Host``, 403 for the ``Origin`` or the site.

    """
    host = source.hosts[0] if len(source.hosts) == 1 else ""
    if not _is_ours(_name(host), source, names):
        message = "Host: the sandbox is known as localhost, 127.0.0.1 and [::1]; `allowed_hosts` adds names"
        raise HttpError(421, "misdirected_request", message)
    for origin in source.origins:
        if not _is_own_origin(origin, host, source, names):
            raise HttpError(403, "forbidden", "Origin: web pages of other sites may not use the sandbox")
    for site in source.fetch_sites:
        if site not in {"same-origin", "none"}:
            raise HttpError(403, "forbidden", "Sec-Fetch-Site: web pages of other sites may not use the sandbox")


def check_api_key(key: str, *, current: str, others: Collection[str], disabled: Collection[str]) -> None:
    """Refuse an API key that is not accepted.

    Raises:
        HttpError: 403 if it is disabled, 401 if it is missing or not known. Source: AU, RF.

    """
    if key in disabled:
        raise HttpError(403, "forbidden", "x-api-key: this key is disabled")
    if not key or (key != current and key not in others):
        raise HttpError(401, "unauthorized", "x-api-key: the key is missing or not known")


def _name(authority: str) -> str:
    """Return the host of an authority such as ``localhost:8420``; empty where it is not valid."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return ""
    return "" if parts.netloc != authority or parts.username is not None else parts.hostname or ""


def _is_ours(name: str, source: Source, names: Collection[str]) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name in names
    return address.is_loopback or name in names or address == _address(source.address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _is_own_origin(origin: str, host: str, source: Source, names: Collection[str]) -> bool:
    scheme, separator, authority = origin.partition("://")
    if not separator or scheme != "http":
        return False
    if authority.lower() == host.lower():
        return True
    own_port = authority.rpartition(":")[2] == str(source.port)
    return own_port and _is_ours(_name(authority), source, names)
