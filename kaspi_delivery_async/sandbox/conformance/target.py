"""The receiver to examine: which URLs may be, and the addresses that are connected to."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import attrs
from aiohttp.abc import AbstractResolver, ResolveResult

from kaspi_delivery_async.sandbox.webhooks.urls import is_loopback, url_problem

LOOKUP_LIMIT = 5.0
"""Seconds that the look-up of a host's name may take."""


class TargetError(ValueError):
    """A URL that is not examined."""


@attrs.frozen(kw_only=True)
class Target:
    """A receiver and its addresses, which were looked up once."""

    url: str = attrs.field(repr=False)
    shown: str
    """The URL as reports have it: a query may hold a token."""
    host: str
    port: int
    addresses: tuple[str, ...]
    secured: bool
    """Whether it is called over TLS."""
    local: bool
    """Whether it is on this machine, where a certificate is taken as it is."""


async def find_target(url: str, *, owned: bool) -> Target:
    """Check a URL, and look its host up if it is the caller's own.

    Raises:
        TargetError: It is no URL of a receiver, is on another machine although not ``owned``, or has no address.

    """
    problem = url_problem(url)
    if problem is not None:
        raise TargetError(f"the URL of the receiver: {problem}")
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise TargetError("the URL of the receiver: without a user name and a password, as the console takes it")
    local = is_loopback(url)
    if not local and not owned:
        raise TargetError(
            "the receiver is not on this machine (127.0.0.0/8, ::1, localhost), and an exam is some 250 requests; if "
            "it is yours, add --i-own-this-url"
        )
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Target(
        url=url, shown=urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), host=host, port=port,
        addresses=await _addresses(host, port, local=local), secured=parts.scheme == "https", local=local,
    )  # fmt: skip


class PinnedResolver(AbstractResolver):
    """Resolves the one host of an exam, to the addresses that were found at its beginning."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses, whatever name servers say by now."""
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in self._target.addresses
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


async def _addresses(host: str, port: int, *, local: bool) -> tuple[str, ...]:
    if local and host == "localhost":
        return ("127.0.0.1", "::1")  # without a look-up: a hosts file may say anything
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        pass
    try:
        async with asyncio.timeout(LOOKUP_LIMIT):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # a TimeoutError is the former
        raise TargetError(f"{host}: the name has no address; check the URL") from None
    return _unique([str(each[4][0]) for each in found])


def _unique(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(addresses))
