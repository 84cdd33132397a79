"""The aiohttp adapter: one exchange with the server, and what each of its failures says about the request's fate."""

from __future__ import annotations

import functools
import math
import os
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, istr
from yarl import URL

from kaspi_delivery_async.errors import CertificateError, DeadlineExceededError, Outcome, TransportError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp.abc import AbstractStreamWriter
    from multidict import CIMultiDictProxy

    from kaspi_delivery_async._core.deadlines import Deadlines
    from kaspi_delivery_async.operations import Operation

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read, about; no answer of this API comes near. With copies it stays below 16 MiB."""

CONNECT_SHARE = 0.98
"""Share of an attempt's time in which the connection must stand.

It ends a moment before the attempt, so that aiohttp itself can report that nothing was sent.
"""


Answer = tuple[int, "CIMultiDictProxy[str]", bytes]
"""What came back: status, headers and body."""

_BODY_HEADERS: CIMultiDict[str] = CIMultiDict({hdrs.CONTENT_TYPE: "application/json"})


class _Body(aiohttp.BytesPayload):
    """A request's body that knows whether it was asked for: before that, nothing of the request has left."""

    is_leaving = False

    def __init__(self, body: bytes) -> None:
        # Not the constructor of payloads in general: it finds out headers, which are given here.
        self._value, self._size, self._headers = body, len(body), _BODY_HEADERS

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - the whole of it
    ) -> None:
        self.is_leaving = True
        await writer.write(self._value)


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
    body = None if operation.body is None else _Body(operation.body)
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
    translated = _translated(failure, has_left=body is None or body.is_leaving)
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


def _translated(error: aiohttp.ClientError | OSError, *, has_left: bool) -> TransportError:
    """Say what a failed exchange means: nothing was sent if it did not connect, or had not come to the body."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            return CertificateError("the server's TLS certificate does not hold; check `base_url` and the trusted CAs")
        case aiohttp.ConnectionTimeoutError():
            return DeadlineExceededError("no connection within the attempt's time")
        case aiohttp.ClientConnectorError():
            return TransportError(f"could not connect: {_reason(error.os_error)}")
        case TimeoutError() if not has_left:
            return DeadlineExceededError("no connection within the attempt's time")
        case TimeoutError():
            return DeadlineExceededError("no complete answer within the attempt's time", outcome=Outcome.UNKNOWN)
        case _:
            return TransportError(f"the exchange broke off: {_reason(error)}", outcome=Outcome.UNKNOWN)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno) if error.errno > 0 else "the host name was not found"
    return type(error).__name__
