"""The aiohttp adapter: one exchange with the server, and what each of its failures says about the request's fate."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict, istr
from yarl import URL

from kaspi_delivery_async._transport.aiohttp_overrides import TrackedBody
from kaspi_delivery_async._transport.error_mapping import translate
from kaspi_delivery_async.errors import DeadlineExceededError, Outcome

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from multidict import CIMultiDictProxy

    from kaspi_delivery_async._transport.deadlines import Deadlines
    from kaspi_delivery_async.operations import Operation

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read, about; no answer of this API comes near. With copies it stays below 16 MiB."""

CONNECT_SHARE = 0.98
"""Share of an attempt's time in which the connection must stand.

It ends a moment before the attempt, so that aiohttp itself can report that nothing was sent.
"""


Answer = tuple[int, "CIMultiDictProxy[str]", bytes]
"""What came back: status, headers and body."""


def key_header(api_key: str) -> CIMultiDict[str]:
    """Return the header that carries the API key."""
    return CIMultiDict({istr("x-api-key"): api_key})


async def exchange(
    session: aiohttp.ClientSession,
    base_url: str,
    operation: Operation[Any],
    *,
    headers: CIMultiDict[str],
    deadlines: Deadlines,
    start: float,
) -> Answer:
    """Send the request with these headers and its own, and read the whole answer within a deadline from ``start``.

    Raises `TransportError` with the outcome that is certain. Redirects are not followed, for they
    would carry the API key to another host; bodies are read uncompressed and up to `LARGEST_BODY`.
    """
    if deadlines.seconds <= 0:
        raise DeadlineExceededError("the call's time was over before the request could leave")
    headers = headers.copy()
    headers.extend(operation.headers)
    body = None if operation.body is None else TrackedBody(operation.body)
    try:
        with deadlines.begin(start):
            response = await session.request(
                operation.method,
                _url(base_url, operation.path),
                data=body,
                headers=headers,
                timeout=_connect_timeout(deadlines.seconds),
                allow_redirects=False,
                auto_decompress=False,
                raise_for_status=False,
            )
            return response.status, response.headers, await _read(response)
    except (aiohttp.ClientError, OSError) as error:
        failure = error
    translated = translate(failure, has_left=body is None or body.is_leaving)
    # Once the request has left, the original may quote what the server sent: it must not even be the context.
    # Before that its text is of use, but not its frames, in which the request stands.
    raise translated from (failure.with_traceback(None) if translated.outcome is Outcome.NOT_SENT else None)


@functools.lru_cache(maxsize=256)
def _url(base_url: str, path: str) -> URL:
    return URL(base_url + path, encoded=True)


@functools.lru_cache(maxsize=8)
def _connect_timeout(seconds: float) -> aiohttp.ClientTimeout:
    # Without its threshold aiohttp would round timeouts up to whole seconds.
    return aiohttp.ClientTimeout(total=None, connect=seconds * CONNECT_SHARE, ceil_threshold=math.inf)


def _read(response: aiohttp.ClientResponse) -> Coroutine[Any, Any, bytes]:
    """Read the body, which gives the connection back; one that is too large takes its connection along."""
    # What has come as a whole fitted into aiohttp's buffer.
    if response.content.is_eof() or (response.content_length or math.inf) <= LARGEST_BODY:
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
