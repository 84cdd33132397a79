"""Responses to webhook requests, for all frameworks: which status for which message."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import attrs
import orjson

from kaspi_delivery_async.errors import WebhookVerificationError
from kaspi_delivery_async.webhooks.verifier import MALFORMED_BODY

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable

    from kaspi_delivery_async.webhooks.stored_events import Receipt
    from kaspi_delivery_async.webhooks.verifier import Headers

    Receive = Callable[[bytes, Headers], Awaitable[Receipt]]

LARGEST_BODY = 64 * 1024
"""Bytes; the documented events have a few hundred."""

STORE_LIMIT = 4.0
"""Seconds that storing an event may take, so that the answer is there within the vendor's 5 (Source: GS WH)."""

MEDIA_TYPE = "application/json"

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class WebhookResponse:
    """The response to send. Its body is a single word, because anyone may have sent the request."""

    status: int
    body: bytes
    headers: dict[str, str]


async def respond(
    receive: Receive, *, method: str, media_type: str, headers: Headers, chunks: AsyncIterable[bytes]
) -> WebhookResponse:
    """Handle a request and return the response to send; never raises.

    ======  ==============================================================
    200     stored, or a duplicate
    400     genuine, but it cannot be read; kept as a dead letter
    401     not genuine: signature or time
    405     another method than POST
    413     a body of more than 64 KiB
    415     another media type than JSON
    503     the store is down or slow: the vendor repeats the event later
    ======  ==============================================================

    Args:
        receive: Verifies and stores a message, such as `WebhookInbox.receive`.
        method: The request's method, in capitals.
        media_type: Its ``Content-Type``; empty if it has none, which is let pass.
        headers: All of its headers.
        chunks: Its body; no more than the largest body is read.

    """
    if method != "POST":
        return _response(405, "method_not_allowed", Allow="POST")
    if media_type.partition(";")[0].strip().lower() not in {MEDIA_TYPE, ""}:
        return _response(415, "unsupported_media_type", Accept=MEDIA_TYPE)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > LARGEST_BODY:
            return _response(413, "body_too_large", Connection="close")
    try:
        async with asyncio.timeout(STORE_LIMIT):
            receipt = await receive(bytes(body), headers)
    except WebhookVerificationError as error:
        _logger.warning("a webhook message was refused: %s", error.reason)
        return _response(400 if error.reason == MALFORMED_BODY else 401, error.reason)
    except Exception:
        _logger.exception("could not store a webhook event; responding 503 so that it is sent again")
        return _response(503, "not_stored")
    return _response(200, "duplicate" if receipt.duplicate else "stored")


def _response(status: int, word: str, **headers: str) -> WebhookResponse:
    body = orjson.dumps({"result": word})
    return WebhookResponse(status=status, body=body, headers={"Content-Type": MEDIA_TYPE, **headers})
