"""The aiohttp adapter: one exchange with the server, and what each of its failures says about the request's fate."""

from __future__ import annotations

import functools
import math
import os
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
from yarl import URL

from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.errors import CertificateError, DeadlineExceededError, Outcome, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspi_delivery_async.operations import Operation

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read, about; no answer of this API comes near. With copies it stays below 16 MiB."""

CONNECT_SHARE = 0.999
"""Share of an attempt's time in which the connection must stand.

It ends a moment before the attempt, so that aiohttp itself can report that nothing was sent.
"""

_USER_AGENT = f"kaspi-delivery-async/{__version__} aiohttp/{aiohttp.__version__}"


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


def common_headers(api_key: str) -> dict[str, str]:
    """Return the headers that every request under this key carries."""
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": _USER_AGENT,
        "x-api-key": api_key,
    }


async def exchange(
    session: aiohttp.ClientSession,
    base_url: str,
    operation: Operation[Any],
    *,
    headers: Mapping[str, str],
    seconds: float,
) -> Answer:
    """Send the request with these `common_headers`, and read the whole answer within ``seconds``.

    Raises `TransportError` with the outcome that is certain. Redirects are not followed, for they
    would carry the API key to another host; bodies are read uncompressed and up to `LARGEST_BODY`.
    """
    if seconds <= 0:
        raise DeadlineExceededError("the call's time was over before the request could leave")
    try:
        async with session.request(
            operation.method,
            URL(base_url + operation.path, encoded=True),
            data=operation.body,
            headers={**headers, **operation.headers},
            timeout=_timeout(seconds),
            allow_redirects=False,
            auto_decompress=False,
            raise_for_status=False,
        ) as response:
            return Answer(response.status, response.headers, await _read(response))
    except (aiohttp.ClientError, OSError) as error:
        failure = error
    translated = _translated(failure)
    # Once the request has left, the original may quote what the server sent: it must not even be the context.
    raise translated from (failure if translated.outcome is Outcome.NOT_SENT else None)


@functools.lru_cache(maxsize=8)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # Without its threshold aiohttp would round timeouts up to whole seconds.
    return aiohttp.ClientTimeout(total=seconds, connect=seconds * CONNECT_SHARE, ceil_threshold=math.inf)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    if (response.content_length or math.inf) <= LARGEST_BODY:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_BODY:
            response.close()
            break
    return bytes(body)


def _translated(error: aiohttp.ClientError | OSError) -> TransportError:
    """Say what a failed exchange means: only a failure to connect is sure to have sent nothing."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            return CertificateError("the server's TLS certificate does not hold; check `base_url` and the trusted CAs")
        case aiohttp.ConnectionTimeoutError():
            return DeadlineExceededError("no connection within the attempt's time")
        case aiohttp.ClientConnectorError():
            return TransportError(f"could not connect: {_reason(error.os_error)}")
        case TimeoutError():
            return DeadlineExceededError("no complete answer within the attempt's time", outcome=Outcome.UNKNOWN)
        case _:
            return TransportError(f"the exchange broke off: {_reason(error)}", outcome=Outcome.UNKNOWN)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno) if error.errno > 0 else "the host name was not found"
    return type(error).__name__
