"""Receiver for a Django project under an ASGI server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from kaspi_delivery_async.webhooks.receivers.responses import LARGEST_BODY, respond

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kaspi_delivery_async.webhooks.receivers.responses import Receive

DjangoView = Callable[[Any], Awaitable[Any]]


def django_view(receive: Receive) -> DjangoView:
    """Return a view for any path; the signature takes the place of the CSRF token."""

    async def receive_webhook(request: Any) -> Any:
        response = await respond(
            receive,
            method=request.method,
            media_type=request.headers.get("Content-Type", ""),
            headers=request.headers,
            chunks=_chunks(request),
        )
        return HttpResponse(response.body, status=response.status, headers=response.headers)

    receive_webhook.csrf_exempt = True  # type: ignore[attr-defined]  # what Django's own decorator sets
    return receive_webhook


async def _chunks(request: Any) -> AsyncGenerator[bytes]:
    # Not `request.body`: it reads megabytes before it refuses.
    yield request.read(LARGEST_BODY + 1)
