"""Subclasses of aiohttp's classes: what each is for or saves, and what happens without it."""

from __future__ import annotations

import asyncio
import functools
import math
import select
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

LONGEST_LIFE = 300.0
"""Seconds for which a connection is used. Then a new one is opened, to the address that the host name has by then."""

AGE_OF_DOUBT = 10.0
"""Seconds after which a connection is not used again once the server has sent a 5xx: it may have been replaced."""


class FixedHeadersRequest(aiohttp.ClientRequest):
    """Sends exactly the headers that it is given, and the host.

    Saves 6 to 8 % of a call: aiohttp does not look for headers to add or merge. It also checks the connection at the
    last moment; without it, `TrackedBody` does, as on a session of the caller's own. Where aiohttp no longer calls one
    of the other methods, the requests are the same; `tests/client/test_fault_table.py` runs without this class, too.
    """

    def send(self, conn: Any) -> Any:
        """Send the request, unless its connection is not to be used any more."""
        connector: Any = self.session.connector  # a `FreshConnector`
        connector.check(conn.protocol, self.loop.time())
        return super().send(conn)

    def update_headers(self, headers: Any) -> None:
        headers[hdrs.HOST] = self.url.host_port_subcomponent  # the session made this mapping for this request
        self.headers = headers

    def update_auto_headers(self, skip_auto_headers: object) -> None:
        """Add nothing."""

    def update_content_encoding(self, data: object) -> None:
        """Compress nothing."""

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """Take the payload as it is."""
        self._body = body
        if self._body is not None and self.body is self._body:
            self.headers[hdrs.CONTENT_LENGTH] = str(self._body.size)
        else:
            super().update_body_from_data(body)

    def update_transfer_encoding(self) -> None:
        """Send no body in chunks."""

    def update_expect_continue(self, expect: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is called
        """Send bodies at once."""


_JSON_HEADERS: CIMultiDict[str] = CIMultiDict({hdrs.CONTENT_TYPE: "application/json"})
_READ_HEADERS: CIMultiDict[str] = CIMultiDict({hdrs.ACCEPT: "application/json"})
"""Of an empty body: aiohttp asks payloads for headers; the request carries this one anyway."""


class TrackedBody(aiohttp.BytesPayload):
    """A request's body, with which the headers leave: the last place where the request can still be held back.

    Needed for correctness: without it nobody knows whether a request has left, and a key may expire while a connection
    is being opened.
    """

    has_left = False
    refusal: Exception | None = None
    """Why nothing left, or will leave."""

    def __init__(self, body: bytes, before_leaving: Callable[[], None]) -> None:
        # Not the constructor of payloads in general: it finds out headers, which are given here.
        self._value, self._size, self._headers = body, len(body), _JSON_HEADERS if body else _READ_HEADERS
        self._before_leaving = before_leaving

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # the whole of it
    ) -> None:
        if self.has_left:  # aiohttp repeats some requests by itself
            self.refusal = aiohttp.ServerDisconnectedError()
        if self.refusal is not None:
            raise self.refusal
        try:
            self._before_leaving()
        except Exception as refusal:
            self.refusal = refusal
            raise
        self.has_left = True
        await writer.write(self._value)


class CheckingBody(TrackedBody):
    """The body where the request does not check its connection: with a session of the caller's own, for example.

    Without it, an old response would be taken for this request's.
    """

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self.has_left:
            protocol = getattr(writer, "protocol", None)
            if protocol is not None and (protocol.should_close or _reading_check(protocol.transport)()):
                self.refusal = self.refusal or UnaskedResponseError()
        await super().write_with_length(writer, content_length)


class UnaskedResponseError(aiohttp.ClientConnectionError):
    """A connection held a response, or its end, before the request was sent on it: whose it is, nobody knows."""


class StaleConnectionError(aiohttp.ClientConnectionError):
    """A kept connection is too old, or not as quiet as it was left: the request needs another one."""


class FreshConnector(aiohttp.TCPConnector):
    """Knows how old its connections are, and which of them must not be used any more.

    Needed for correctness: without it, a response that comes unasked on a kept connection would be taken for the next
    request's, and connections to a server that has moved or died would be used for as long as they stay open.
    """

    keep_alive: float | None = None
    """Seconds for which the server keeps an idle connection, if it says so."""
    has_new = False
    """Whether a connection was opened of which no response has been seen yet."""

    def __init__(self, *, request_class: type[aiohttp.ClientRequest], **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - one of its arguments has no full type
        self.checks_requests = issubclass(request_class, FixedHeadersRequest)
        """Whether each request has its connection checked."""
        self._opened: dict[Any, tuple[float, Callable[[], object]]] = {}
        """When each connection was opened, and whether it can be read, by its protocol; closed ones go now and then."""
        self._used: dict[Any, float] = {}
        """When each was taken up last; kept only where the server has named a time."""
        self._room = 64
        self._opened_after = -math.inf
        """Connections from before are not used any more."""

    def check(self, protocol: Any, now: float) -> None:
        """Raise `StaleConnectionError` for a kept connection, `UnaskedResponseError` for a new one that cannot be used.

        Over a usable one nothing has come that nobody asked for.
        """
        known = self._opened.get(protocol)
        if known is None:
            self._check_new(protocol, now)
            return
        opened, can_be_read = known
        if (
            opened <= self._opened_after
            or now - opened > LONGEST_LIFE
            or protocol.should_close
            or can_be_read()
            or (self.keep_alive is not None and self._idle_time(protocol, opened, now) > self.keep_alive)
        ):
            raise StaleConnectionError

    def _check_new(self, protocol: Any, now: float) -> None:
        transport = protocol.transport
        can_be_read = _reading_check(transport)
        # A TLS handshake may leave session tickets to be read.
        if protocol.should_close or (transport.get_extra_info("sslcontext") is None and can_be_read()):
            raise UnaskedResponseError
        if len(self._opened) >= self._room:
            self._opened = {key: known for key, known in self._opened.items() if key.is_connected()}
            self._used = {key: used for key, used in self._used.items() if key in self._opened}
            self._room = max(64, 2 * len(self._opened))
        self._opened[protocol] = now, can_be_read
        self.has_new = True

    def _idle_time(self, protocol: Any, opened: float, now: float) -> float:
        """Return the seconds since the connection was taken up last, and note that it is now."""
        idle = now - self._used.get(protocol, opened)
        self._used[protocol] = now
        return idle

    def abandon(self) -> None:
        """Close what can be closed outside of the loop, so that nothing is left to be warned of a second time."""
        self._close()

    def renew(self, *, older_than: float = 0.0) -> None:
        """Use no connection that was opened more than ``older_than`` seconds ago, and look the host name up again."""
        self._opened_after = max(self._opened_after, asyncio.get_running_loop().time() - older_than)
        self.clear_dns_cache()


def _reading_check(transport: Any) -> Callable[[], object]:
    """Return a function that says whether bytes, or the connection's end, wait to be read."""
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None:
        return lambda: False
    descriptor = socket.fileno()
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return functools.partial(poll.poll, 0)  # a list, empty if there is nothing
