"""Services for gunicorn: one inbox, made and used before the workers are forked where they are preloaded."""

import asyncio
import os

from aiohttp import web

from kaspi_delivery_async import DeliveryWebhook
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier
from tests.support.webhook_messages import SECRET

log = os.open(os.environ["TEST_HANDLED"], os.O_WRONLY | os.O_APPEND)


async def handle(event: DeliveryWebhook) -> None:
    os.write(log, f"{event.event_id}\n".encode())


inbox = WebhookInbox(WebhookVerifier([SECRET]), store=os.environ["TEST_STORE"], handler=handle)
asyncio.run(inbox.totals())

asgi_app = inbox.asgi

aiohttp_app = web.Application()
aiohttp_app.router.add_route("*", "/", inbox.aiohttp)
aiohttp_app.cleanup_ctx.append(inbox.cleanup_ctx)
