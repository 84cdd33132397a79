"""Error mapping: aiohttp's and the operating system's exceptions become a `TransportError` with the certain outcome."""

from __future__ import annotations

import os
import ssl

import aiohttp

from kaspi_delivery_async.errors import CertificateError, DeadlineExceededError, Outcome, TransportError


def translate(error: aiohttp.ClientError | OSError, *, has_left: bool) -> TransportError:
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
