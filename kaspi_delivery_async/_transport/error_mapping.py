"""Error mapping: aiohttp's and the operating system's exceptions become a `TransportError` with the certain outcome."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from kaspi_delivery_async._transport.aiohttp_overrides import UnaskedResponseError
from kaspi_delivery_async.errors import CertificateError, DeadlineExceededError, Outcome, TransportError
from kaspi_delivery_async.options import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_HEADER = 64 * 1024
"""Bytes of one header line that are read."""

_NO_CONNECTION = "no connection within the attempt's time"
_SERVER_ERRORS = 500
_TOO_MANY_REQUESTS = 429


def translate(error: Exception, *, has_left: bool, advice: str = "") -> TransportError:
    """Return what a failed exchange means: nothing was sent if it did not connect, or had not come to the body.

    ``advice`` is added where no connection came about.
    """
    unconnected = _translate_unconnected(error, advice)
    if unconnected is not None:
        return unconnected
    if isinstance(error, TimeoutError):
        if not has_left:
            return DeadlineExceededError(f"{_NO_CONNECTION}{advice}")
        return DeadlineExceededError("no complete response within the attempt's time", outcome=Outcome.UNKNOWN)
    if any(isinstance(cause, LineTooLong) for cause in _causes(error)):
        return _lasting(
            TransportError(
                f"the server responded with a header line of more than {LARGEST_HEADER} bytes, which is not read; "
                "the request may have been carried out",
                outcome=Outcome.UNKNOWN,
            )
        )
    outcome = Outcome.UNKNOWN if has_left else Outcome.NOT_SENT
    return TransportError(f"the connection was lost: {_reason(error)}", outcome=outcome)


def _translate_unconnected(error: Exception, advice: str) -> TransportError | None:
    """Return the meaning of an error that comes only before a request; None for any other."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            return CertificateError("TLS certificate verification failed; check `base_url` and the trusted CAs")
        case aiohttp.ClientHttpProxyError():
            return _proxy_refused(error.status)
        case aiohttp.ConnectionTimeoutError():
            return DeadlineExceededError(f"{_NO_CONNECTION}{advice}")
        case aiohttp.ClientProxyConnectionError():
            reason = _reason(error.os_error)
            return TransportError(f"could not connect to the proxy: {reason}; check the session's `proxy`")
        case aiohttp.ClientConnectorDNSError():
            return TransportError(f"could not connect: the host name was not found; check `base_url`{advice}")
        case aiohttp.ClientConnectorError():
            return TransportError(f"could not connect: {_reason(error.os_error)}{advice}")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | UnicodeError():
            return _lasting(
                TransportError("could not connect: a host name is invalid; check `base_url` and the session's `proxy`")
            )
        case UnaskedResponseError():
            return TransportError("the connection held a response before the request was sent; it was closed")
        case _:
            return None


def proxy_advice(session: aiohttp.ClientSession, host: str) -> str:
    """Return a hint if the environment names a proxy for ``host`` that this session does not use."""
    if session.trust_env or is_loopback(host) or "https" not in getproxies_environment() or proxy_bypass(host):
        return ""
    return (
        "; the environment variable HTTPS_PROXY is not used: to go through that proxy, "
        "pass session=aiohttp.ClientSession(trust_env=True)"
    )


def _proxy_refused(status: int) -> TransportError:
    error = TransportError(
        f"the proxy refused to connect: it responded with {status}; check the session's `proxy` and its "
        "`Proxy-Authorization` (aiohttp.ClientSession(proxy=..., proxy_auth=...))"
    )
    return error if status >= _SERVER_ERRORS or status == _TOO_MANY_REQUESTS else _lasting(error)


def _lasting(error: TransportError) -> TransportError:
    error.retryable = False
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and (error.errno or 0) > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno or 0)
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    above: BaseException | None = error
    while above is not None:
        yield above
        above = above.__cause__
