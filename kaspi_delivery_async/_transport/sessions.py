"""aiohttp sessions: one for each event loop, made when first needed and closed together with its loop."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, ClassVar

import aiohttp

from kaspi_delivery_async._transport.aiohttp_overrides import FixedHeadersRequest
from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from yarl import URL

_CLIENT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"kaspi-delivery-async/{__version__} aiohttp/{aiohttp.__version__}",
}
"""What every request says of this client."""


class _NoCookies(aiohttp.DummyCookieJar):
    """Has no cookies, and makes no new container for none."""

    _NONE: ClassVar = SimpleCookie()

    def filter_cookies(self, request_url: URL) -> SimpleCookie:  # noqa: ARG002 - none for any of them
        return self._NONE


class Sessions:
    """The connections of a client; the caller's own session, if there is one, is used and never closed."""

    def __init__(self, given: aiohttp.ClientSession | None) -> None:
        self._given = given
        self.request_headers: Mapping[str, str] = {} if given is None else _CLIENT_HEADERS
        """What each request has to carry beside its own headers: a session of ours adds the client's by itself."""
        self._own: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}
        self._lifetimes: dict[asyncio.AbstractEventLoop, AsyncGenerator[aiohttp.ClientSession, None]] = {}
        self._closed = False

    def opened(self) -> aiohttp.ClientSession | None:
        """Return the running loop's session, if there is one; raises `ConfigurationError` after `close`."""
        if self._closed:
            raise ConfigurationError("the client is closed; make a new one, or keep calls inside `async with client:`")
        if self._given is not None:
            if self._given.closed:
                raise ConfigurationError("the aiohttp session that was given to the client is closed")
            return self._given
        return self._own.get(asyncio.get_running_loop())

    async def open(self) -> aiohttp.ClientSession:
        """Make the running loop's session."""
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

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[aiohttp.ClientSession, None]:
        """Hold a session open.

        An event loop that ends, as `asyncio.run` ends it, first closes the asynchronous generators
        that it has seen. So a client that outlives its loop leaves no connection behind, and works
        in the next loop.
        """
        # How many connections there are is the limiter's business, not the connector's.
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=_NoCookies(),
            headers=_CLIENT_HEADERS,
            request_class=FixedHeadersRequest,
        ) as session:
            try:
                yield session
            finally:
                del self._own[loop], self._lifetimes[loop]
