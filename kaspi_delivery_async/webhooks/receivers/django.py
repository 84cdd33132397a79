"""Receiver for a Django project under an ASGI server."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

from kaspi_delivery_async.webhooks.receivers.bodies import LARGEST_BODY
from kaspi_delivery_async.webhooks.receivers.responses import not_stored, respond

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kaspi_delivery_async.webhooks.receivers.responses import Receive

DjangoView = Callable[[Any], Awaitable[Any]]

_logger = logging.getLogger(__name__)


def django_view(receive: Receive) -> DjangoView:
    """Return a view for any path; the signature takes the place of the CSRF token."""

    async def receive_webhook(request: Any) -> Any:
        if not hasattr(request, "scope"):
            # Each request has an event loop of its own there: what runs the handler would end with it.
            _logger.error("webhooks cannot be received under WSGI; serve the Django project by an ASGI server")
            response = not_stored()
        else:
            response = await respond(
                receive,
                method=request.method,
                media_type=request.headers.get("Content-Type", ""),
                encoding=request.headers.get("Content-Encoding", ""),
                headers=request.headers,
                chunks=_chunks(request),
            )
        # Whether a connection is kept is not the application's business in Django.
        headers = {name: value for name, value in response.headers.items() if name != "Connection"}
        return HttpResponse(response.body, status=response.status, headers=headers)

    receive_webhook.csrf_exempt = True  # type: ignore[attr-defined]  # what Django's own decorator sets
    return receive_webhook


async def _chunks(request: Any) -> AsyncGenerator[bytes, None]:
    # Not `request.body`: it reads megabytes before it refuses.
    yield request.read(LARGEST_BODY + 1)
