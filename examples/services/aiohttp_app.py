"""aiohttp's own runner: create a delivery within a request, and receive the webhooks.

    python aiohttp_app.py

On SIGTERM `run_app` waits for the requests in flight, then closes the inbox and the client.
"""

import logging
import os
from collections.abc import AsyncGenerator

from aiohttp import web

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

CLIENT = web.AppKey("client", DeliveryClient)


async def handle(event: DeliveryWebhook) -> None:
    """Do what the shop does about a new status."""
    logger.info("%s is %s", event.data.external_order_id, event.data.status)


async def client_context(app: web.Application) -> AsyncGenerator[None]:
    """Open the client with the application, and close it after its last request."""
    async with DeliveryClient.from_env() as client:
        app[CLIENT] = client
        yield


async def create_order(request: web.Request) -> web.Response:
    """Create the delivery of an order."""
    try:
        created = await request.app[CLIENT].create_delivery(from_dict(DeliveryRequest, await request.json()))
    except KaspiDeliveryError as error:
        status = 422 if isinstance(error, InvalidRequestError) else 502
        return web.json_response({"error": str(error), "outcome": error.outcome}, status=status)
    return web.json_response(to_dict(created), status=201)


def make_app() -> web.Application:
    """Put the application together."""
    inbox = WebhookInbox(
        WebhookVerifier([os.environ["KASPI_WEBHOOK_SECRET"]]),
        store=os.environ.get("KASPI_STORE", "events.sqlite"),
        handler=handle,
    )
    app = web.Application()
    app.cleanup_ctx.extend([client_context, inbox.cleanup_ctx])
    app.router.add_post("/orders", create_order)
    for path in ("/webhooks", "/webhooks/"):
        app.router.add_route("*", path, inbox.aiohttp)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), shutdown_timeout=35)
