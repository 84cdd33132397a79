"""Litestar: create a delivery within a request, and receive the webhooks.

uvicorn litestar_app:app --timeout-graceful-shutdown 35
"""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, asgi, post

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


async def handle(event: DeliveryWebhook) -> None:
    """Do what the shop does about a new status."""
    logger.info("%s is %s", event.data.external_order_id, event.data.status)


inbox = WebhookInbox(
    WebhookVerifier([os.environ["KASPI_WEBHOOK_SECRET"]]),
    store=os.environ.get("KASPI_STORE", "events.sqlite"),
    handler=handle,
)


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncGenerator[None]:
    """Open the client and the inbox with the application, and close them after its last request."""
    async with DeliveryClient.from_env() as client, inbox:
        app.state.client = client
        yield


@post("/orders")
async def create_order(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Create the delivery of an order."""
    client: DeliveryClient = request.app.state.client
    return to_dict(await client.create_delivery(from_dict(DeliveryRequest, await request.json())))


def report(_request: Request[Any, Any, Any], error: KaspiDeliveryError) -> Response[dict[str, Any]]:
    """Say whether a courier may be on the way; the same order may be sent again in any case."""
    status = 422 if isinstance(error, InvalidRequestError) else 502
    return Response({"error": str(error), "outcome": str(error.outcome)}, status_code=status)


app = Litestar(
    [create_order, asgi("/webhooks", is_mount=True, copy_scope=True)(inbox.asgi)],
    lifespan=[lifespan],
    exception_handlers={KaspiDeliveryError: report},
)
