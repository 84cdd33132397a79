"""Django under an ASGI server: create a delivery within a request, and receive the webhooks.

    uvicorn django_app:application --timeout-graceful-shutdown 35

Django has no lifespan, so `application` opens and closes client and inbox beside it. A project of yours has settings,
views, URLs and `asgi.py` in files of their own; here they are in one.
"""

import json
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from kaspi_delivery_async import (
    DeliveryClient,
    DeliveryRequest,
    DeliveryWebhook,
    InvalidRequestError,
    KaspiDeliveryError,
)
from kaspi_delivery_async.models import from_dict, to_dict
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("shop")
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="of-your-project", LOGGING_CONFIG=None
)


async def handle(event: DeliveryWebhook) -> None:
    """Do what the shop does about a new status."""
    logger.info("%s is %s", event.data.external_order_id, event.data.status)


client = DeliveryClient.from_env()
inbox = WebhookInbox(
    WebhookVerifier([os.environ["KASPI_WEBHOOK_SECRET"]]),
    store=os.environ.get("KASPI_STORE", "events.sqlite"),
    handler=handle,
)


@csrf_exempt
@require_POST
async def create_order(request: HttpRequest) -> JsonResponse:
    """Create the delivery of an order."""
    try:
        created = await client.create_delivery(from_dict(DeliveryRequest, json.loads(request.body)))
    except KaspiDeliveryError as error:
        status = 422 if isinstance(error, InvalidRequestError) else 502
        return JsonResponse({"error": str(error), "outcome": error.outcome}, status=status)
    return JsonResponse(to_dict(created), status=201)


urlpatterns = [
    path("orders", create_order),
    path("webhooks", inbox.django),
    path("webhooks/", inbox.django),
]
django_application = get_asgi_application()


async def application(
    scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Serve Django, and keep client and inbox open from the server's start to its end."""
    if scope["type"] != "lifespan":
        await django_application(scope, receive, send)
        return
    async with AsyncExitStack() as stack:
        await receive()
        await stack.enter_async_context(client)
        await stack.enter_async_context(inbox)
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
