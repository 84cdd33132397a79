"""Responses to webhook requests, for all frameworks: which status for which message."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import attrs
import orjson

from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.webhooks.receivers.bodies import (
    LARGEST_BODY,
    BodyTooLargeError,
    BrokenBodyError,
    decode_body,
    is_supported,
)
from kaspi_delivery_async.webhooks.verifier import MALFORMED_BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable

    from kaspi_delivery_async.webhooks.stored_events import Receipt
    from kaspi_delivery_async.webhooks.verifier import Headers

    Receive = Callable[[bytes, Headers], Awaitable[Receipt]]

BODY_LIMIT = 5.0
"""Seconds that the body of a request may take; the vendor gives up after as many (Source: GS WH)."""

STORE_LIMIT = 4.0
"""Seconds that storing an event may take, so that the response is sent within the vendor's 5 (Source: GS WH)."""

MEDIA_TYPE = "application/json"

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class WebhookResponse:
    """The response to send. Its body is a single word, because anyone may have sent the request."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def closes(self) -> bool:
        """Whether the connection has to be closed: the rest of the request's body was not read."""
        return "Connection" in self.headers


async def respond(
    receive: Receive,
    *,
    method: str,
    media_type: str,
    encoding: str,
    headers: Headers,
    chunks: AsyncIterable[bytes],
) -> WebhookResponse:
    """Handle a request and return the response to send; never raises, except what ``chunks`` raises.

    ======  ==============================================================
    200     stored, or a duplicate
    400     verified, but it cannot be read; stored as a dead letter; or
            its content encoding is broken
    401     not genuine: signature or time
    405     another method than POST
    408     the body took more than 5 seconds
    413     a body of more than 64 KiB
    415     another media type than JSON, or another encoding than gzip or deflate
    503     the store is down or slow: the vendor sends the event again later
    ======  ==============================================================

    Args:
        receive: Verifies and stores a message, such as `WebhookInbox.receive`.
        method: The request's method, in capitals.
        media_type: Its ``Content-Type``; without one, it passes.
        encoding: Its ``Content-Encoding``; empty if it has none, or if the framework decodes it.
        headers: All of its headers.
        chunks: Its body; no more than the largest body is read. Raises `BrokenBodyError` if it cannot be.

    """
    if method != "POST":
        return _response(405, "method_not_allowed", Allow="POST")
    if media_type.partition(";")[0].strip().lower() not in {MEDIA_TYPE, ""}:
        return _response(415, "unsupported_media_type", Accept=MEDIA_TYPE)
    if not is_supported(encoding):
        return _response(415, "unsupported_encoding", **{"Accept-Encoding": "gzip, deflate"})
    try:
        async with asyncio.timeout(BODY_LIMIT):
            body = decode_body(await _read(chunks), encoding)
    except TimeoutError:
        return _response(408, "body_too_slow", Connection="close")
    except BodyTooLargeError:
        return _response(413, "body_too_large", Connection="close")
    except BrokenBodyError:
        return _response(400, "broken_encoding", Connection="close")
    return await _receive(receive, body, headers)


async def _read(chunks: AsyncIterable[bytes]) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BodyTooLargeError
    return bytes(body)


async def _receive(receive: Receive, body: bytes, headers: Headers) -> WebhookResponse:
    try:
        async with asyncio.timeout(STORE_LIMIT):
            receipt = await receive(body, headers)
    except WebhookVerificationError as error:
        _logger.warning("a webhook message was refused: %s", error.reason)
        return _response(400 if error.reason == MALFORMED_BODY else 401, error.reason)
    except Exception:
        _logger.exception("could not store a webhook event; responding 503 so that it is sent again")
        return not_stored()
    return _response(200, "duplicate" if receipt.duplicate else "stored")


def not_stored() -> WebhookResponse:
    """Return the response that makes the vendor send an event again."""
    return _response(503, "not_stored")


def _response(status: int, word: str, **headers: str) -> WebhookResponse:
    body = orjson.dumps({"result": word})
    return WebhookResponse(status=status, body=body, headers={"Content-Type": MEDIA_TYPE, **headers})
