"""Receives webhooks in a Django project under an ASGI server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from kaspi_delivery_async.webhooks.receivers.responses import LARGEST_BODY, answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kaspi_delivery_async.webhooks.inbox import WebhookInbox

DjangoView = Callable[[Any], Awaitable[Any]]


def view(inbox: WebhookInbox) -> DjangoView:
    """Make a view for any path; the signature takes the place of the CSRF token."""

    async def receive_webhook(request: Any) -> Any:
        given = await answer(
            inbox,
            method=request.method,
            media_type=request.headers.get("Content-Type", ""),
            headers=request.headers,
            chunks=_chunks(request),
        )
        return HttpResponse(given.body, status=given.status, headers=given.headers)

    receive_webhook.csrf_exempt = True  # type: ignore[attr-defined]  # what Django's own decorator sets
    return receive_webhook


async def _chunks(request: Any) -> AsyncGenerator[bytes]:
    # Not `request.body`: it reads megabytes before it refuses.
    yield request.read(LARGEST_BODY + 1)
