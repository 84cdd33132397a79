"""A worker to be killed: takes up the events of the store it is given, prints so, and never finishes one."""

import asyncio
import sys

from kaspi_delivery_async import DeliveryWebhook
from kaspi_delivery_async.webhooks import WebhookInbox, WebhookVerifier


async def hang(event: DeliveryWebhook) -> None:
    sys.stdout.write(f"{event.event_id}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def main(location: str) -> None:
    async with WebhookInbox(WebhookVerifier(["unused"]), store=location, handler=hang):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
