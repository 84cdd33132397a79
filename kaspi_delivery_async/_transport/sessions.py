"""aiohttp sessions: one for each event loop, made when first needed and closed together with its loop."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, cast

import aiohttp

from kaspi_delivery_async._transport.aiohttp_overrides import FixedHeadersRequest, FreshConnector
from kaspi_delivery_async._transport.exchange import SESSION_DEFAULTS
from kaspi_delivery_async._transport.resolver import thread_resolver
from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

REQUEST_CLASS: type[aiohttp.ClientRequest] = FixedHeadersRequest

_CLIENT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"kaspi-delivery-async/{__version__} aiohttp/{aiohttp.__version__}",
}
"""Headers sent with every request."""

_UNCLOSED = "a DeliveryClient was not closed: call `await client.aclose()`, or use `async with client:`"


class Sessions:
    """The connections of a client; the caller's own session, if there is one, is used and never closed."""

    def __init__(self, given: aiohttp.ClientSession | None) -> None:
        self._own: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        if not isinstance(given, aiohttp.ClientSession | None):
            raise ConfigurationError(f"session is {given!r}; pass an aiohttp.ClientSession, or leave it out")
        self._given = given
        self.request_headers: Mapping[str, str] = {} if given is None else _CLIENT_HEADERS
        """What each request has to carry beside its own headers: a session of ours adds the client's by itself."""
        self._lifetimes: dict[asyncio.AbstractEventLoop, AsyncGenerator[aiohttp.ClientSession, None]] = {}
        self._closed = False

    def current(self) -> aiohttp.ClientSession | None:
        """Return the running loop's session, if there is one; raises `ConfigurationError` after `close`."""
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one, or keep calls inside `async with client:`")
        if self._given is not None:
            return self._checked(self._given)
        return self._own.get(asyncio.get_running_loop())

    async def create(self) -> aiohttp.ClientSession:
        """Make the running loop's session."""
        self._abandon_closed_loops()
        loop = asyncio.get_running_loop()
        lifetime = self._lifetimes[loop] = self._live(loop)
        session = self._own[loop] = await anext(lifetime)
        return session

    async def close(self) -> None:
        """Close the running loop's session and refuse further use; other loops' sessions end with their loops."""
        self._closed = True
        lifetime = self._lifetimes.get(asyncio.get_running_loop())
        if lifetime is not None:
            await lifetime.aclose()
        self._abandon_closed_loops()

    def __del__(self) -> None:
        if self._own:
            warnings.warn(_UNCLOSED, ResourceWarning, stacklevel=2, source=self)
            for session in self._own.values():
                _abandon(session)

    def _abandon_closed_loops(self) -> None:
        """Let go of sessions whose loop was closed without ending its asynchronous generators."""
        for loop in [loop for loop in self._own if loop.is_closed()]:
            warnings.warn(_UNCLOSED, ResourceWarning, stacklevel=3, source=self)
            _abandon(self._own.pop(loop))
            del self._lifetimes[loop]

    @staticmethod
    def _checked(session: aiohttp.ClientSession) -> aiohttp.ClientSession:
        if session.closed:
            raise ConfigurationError("the aiohttp session that was given to the client is closed")
        # aiohttp has the loop, but no longer shows it.
        if getattr(session, "_loop", None) not in {None, asyncio.get_running_loop()}:
            raise ConfigurationError(
                "the aiohttp session that was given to the client belongs to another event loop; "
                "make session and client in the loop that makes the calls"
            )
        return session

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[aiohttp.ClientSession, None]:
        """Hold a session open.

        An event loop that ends, as `asyncio.run` ends it, first closes the asynchronous generators
        that it has seen. So a client that outlives its loop leaves no connection behind, and works
        in the next loop.
        """
        # The limiter counts the connections, not the connector.
        async with aiohttp.ClientSession(
            connector=FreshConnector(limit=0, resolver=thread_resolver(), request_class=REQUEST_CLASS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_CLIENT_HEADERS,
            request_class=REQUEST_CLASS,
            **SESSION_DEFAULTS,
        ) as session:
            # One attempt is one request: aiohttp would repeat a GET on a lost connection by itself. It has no argument.
            vars(session).update(_retry_connection=False)
            try:
                yield session
            finally:
                self._own.pop(loop, None)
                self._lifetimes.pop(loop, None)


def _abandon(session: aiohttp.ClientSession) -> None:
    cast("FreshConnector", session.connector).abandon()
