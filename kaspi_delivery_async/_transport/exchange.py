"""The aiohttp adapter: one exchange with the server, and what each of its failures says about the request's fate."""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict, istr
from yarl import URL

from kaspi_delivery_async._transport.aiohttp_overrides import (
    AGE_OF_DOUBT,
    CheckingBody,
    FreshConnector,
    StaleConnectionError,
    TrackedBody,
    UnaskedResponseError,
)
from kaspi_delivery_async._transport.error_mapping import LARGEST_HEADER, proxy_advice, translate
from kaspi_delivery_async.errors import DeadlineExceededError, KaspiDeliveryError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from multidict import CIMultiDictProxy

    from kaspi_delivery_async._transport.deadlines import Deadlines
    from kaspi_delivery_async.operations import Operation

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a response's body that are read, about; no response of this API comes near. With copies: below 16 MiB."""

CONNECT_SHARE = 0.98
"""Share of an attempt's time in which the connection must be established.

It ends a moment before the attempt, so that aiohttp itself can report that nothing was sent.
"""

_ERRORS = 400
_SERVER_ERRORS = 500

MOST_UNASKED = 16
"""Connections with unasked responses that one attempt puts aside, on a session of the caller's own."""

KEEP_ALIVE_SHARE = 0.8
"""Share of the time for which a server keeps idle connections in which they are still used."""

CONNECTION_STATUSES = frozenset({408, 421})
"""Statuses about the connection rather than the request: it is closed, and the next attempt opens a new one."""

_UNUSABLE_CONNECTIONS = (StaleConnectionError, UnaskedResponseError)

_KEEP_ALIVE = istr("Keep-Alive")
_KEEP_ALIVE_SECONDS = re.compile(r"\btimeout=([0-9]{1,6})\b")


_NAMES: dict[str, str] = {name: istr(name) for name in ("Content-Type", "Idempotency-Key")}
"""Names that need not be compared without regard to case each time."""

SESSION_DEFAULTS: Mapping[str, Any] = {
    "auto_decompress": False,
    "raise_for_status": False,
    "max_line_size": LARGEST_HEADER,
    "max_field_size": LARGEST_HEADER,
}

RawResponse = tuple[int, "CIMultiDictProxy[str]", bytes]
"""A response as it came: status, headers and body. A plain tuple, for there is one for each attempt."""


class RequestHeaders:
    """The API key's header and the client's own, which no failure report shows: they are in no local variable."""

    __slots__ = ("_headers",)

    def __init__(self, api_key: str, client_headers: Mapping[str, str]) -> None:
        self._headers: CIMultiDict[str] = CIMultiDict({istr("x-api-key"): api_key, **client_headers})

    def beside(self, headers: Mapping[str, str]) -> CIMultiDict[str]:
        """Return all headers of a request that has these of its own."""
        merged = self._headers.copy()
        for name in headers:
            merged[_NAMES.get(name, name)] = headers[name]
        return merged


async def exchange(
    session: aiohttp.ClientSession,
    base_url: str,
    operation: Operation[Any],
    headers: RequestHeaders,
    deadlines: Deadlines,
    start: float,
    before_leaving: Callable[[], None],
) -> RawResponse:
    """Send the request with these headers and its own, and read the whole response within a deadline from ``start``.

    ``before_leaving`` is called when the request is about to leave, and may raise a `KaspiDeliveryError` to hold it
    back. Raises `TransportError` with the outcome that is certain. Redirects are not followed, for they would carry the
    API key to another host; bodies are read as they come, up to `LARGEST_BODY`.
    """
    if deadlines.seconds <= 0:
        raise DeadlineExceededError("the call timed out before the request could be sent")
    connector = found if isinstance(found := session.connector, FreshConnector) else None
    body_class = TrackedBody if connector is not None and connector.checks_requests else CheckingBody
    unasked = 0
    while True:
        body = None
        if operation.body is not None or body_class is CheckingBody:
            body = body_class(operation.body or b"", before_leaving)
        else:
            before_leaving()  # the request class checks the connection, and a read is harmless whenever it leaves
        try:
            with deadlines.begin(start):
                response = await session.request(
                    operation.spec.method,
                    _url(base_url, operation.path),
                    data=body,
                    headers=headers.beside(operation.headers),
                    **_options(deadlines.seconds, connector is not None),
                )
                if body is None or body.has_left:
                    if connector is not None and (connector.has_new or response.status >= _ERRORS):
                        _learn(connector, response)
                    content = response.content
                    # A response that came as a whole is taken at once; its end has released the connection.
                    received = content.read_nowait() if content.is_eof() else await _read(response)
                    return response.status, response.headers, received
            body.refusal = body.refusal or UnaskedResponseError()
            response.close()
            failure: Exception = body.refusal
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            failure = error if body is None or body.refusal is None else body.refusal
        if isinstance(failure, KaspiDeliveryError):
            raise failure.with_traceback(None) from None
        unasked += isinstance(failure, UnaskedResponseError)
        if unasked > MOST_UNASKED * (body_class is CheckingBody) or not isinstance(failure, _UNUSABLE_CONNECTIONS):
            break
    if connector is not None:
        connector.renew(older_than=0.0 if isinstance(failure, TimeoutError | aiohttp.ClientConnectorError) else 1.0)
    advice = proxy_advice(session, urlsplit(base_url).hostname or "")
    translated = translate(failure, has_left=body is None or body.has_left, advice=advice)
    # Once the request has left, the original may quote what the server sent: it must not even be the context.
    # Before that its text is of use, but not its frames, in which the request stands.
    is_of_use = translated.outcome is Outcome.NOT_SENT and isinstance(failure, OSError)
    raise translated from (failure.with_traceback(None) if is_of_use else None)


def _learn(connector: FreshConnector, response: aiohttp.ClientResponse) -> None:
    """Take from a response what it says about the connections to this server."""
    connector.has_new = False
    if response.status in CONNECTION_STATUSES:
        connector.renew()
    elif response.status >= _SERVER_ERRORS:
        connector.renew(older_than=AGE_OF_DOUBT)
    if _KEEP_ALIVE in response.headers and (found := _KEEP_ALIVE_SECONDS.search(response.headers[_KEEP_ALIVE])):
        connector.keep_alive = KEEP_ALIVE_SHARE * int(found[1])


@functools.lru_cache(maxsize=256)
def _url(base_url: str, path: str) -> URL:
    return URL(base_url + path, encoded=True)


@functools.lru_cache(maxsize=8)
def _options(seconds: float, session_is_ours: bool) -> dict[str, Any]:  # noqa: FBT001 - positional, to be cached
    """Return what all requests ask of aiohttp that may take so long; sessions of ours have the rest as defaults."""
    # Without its threshold aiohttp would round timeouts up to whole seconds.
    timeout = aiohttp.ClientTimeout(total=None, connect=seconds * CONNECT_SHARE, ceil_threshold=math.inf)
    defaults: Mapping[str, Any] = {} if session_is_ours else SESSION_DEFAULTS
    return {"timeout": timeout, "allow_redirects": False, **defaults}


def _read(response: aiohttp.ClientResponse) -> Coroutine[Any, Any, bytes]:
    """Read the body, which releases the connection; a body that is too large closes its connection."""
    if (response.content_length or math.inf) <= LARGEST_BODY:
        return response.read()
    return _read_beginning(response)


async def _read_beginning(response: aiohttp.ClientResponse) -> bytes:
    async with response:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > LARGEST_BODY:
                response.close()
                break
        return bytes(body)
