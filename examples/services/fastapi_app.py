"""FastAPI: create a delivery within a request, and receive the webhooks.

    uvicorn fastapi_app:app --workers 2 --timeout-graceful-shutdown 35
    gunicorn fastapi_app:app --worker-class uvicorn_worker.UvicornWorker --workers 2 --graceful-timeout 35

Each worker process has a client and an inbox of its own; the inboxes share their store.
"""

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.routing import Route

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
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the client and the inbox with the application, and close them after its last request."""
    async with DeliveryClient.from_env() as client, inbox:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)
for path in ("/webhooks", "/webhooks/"):  # a mounted application would redirect the first, which senders do not follow
    app.router.routes.append(Route(path, inbox.asgi))


@app.post("/orders", status_code=201)
async def create_order(order: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Create the delivery of an order."""
    client: DeliveryClient = app.state.client
    return to_dict(await client.create_delivery(from_dict(DeliveryRequest, order)))


@app.exception_handler(KaspiDeliveryError)
async def report(_request: Request, error: KaspiDeliveryError) -> JSONResponse:
    """Say whether a courier may be on the way; the same order may be sent again in any case."""
    status = 422 if isinstance(error, InvalidRequestError) else 502
    return JSONResponse({"error": str(error), "outcome": error.outcome}, status)
