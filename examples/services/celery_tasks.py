"""Celery: create a delivery in a task.

    celery --app celery_tasks worker --concurrency 2

A task is synchronous, so it runs an event loop of its own. It may run again, after a crash or a lost connection to the
broker: the order's id is the idempotency key, so that no second courier comes within 23 hours.
"""

import asyncio
import json
import os
from typing import Any

from celery import Celery

from kaspi_delivery_async import DeliveryClient, DeliveryRequest, RateLimitedError, ServerError, TransportError
from kaspi_delivery_async.models import from_dict, to_dict

app = Celery("celery_tasks", broker=os.environ.get("CELERY_BROKER", "redis://127.0.0.1:6379"))
app.conf.update(
    broker_transport_options=json.loads(os.environ.get("CELERY_TRANSPORT", "{}")),
    broker_connection_retry_on_startup=True,
    task_acks_late=True,  # a task whose worker is killed runs again
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
)


async def _create(order: dict[str, Any]) -> dict[str, Any]:
    async with DeliveryClient.from_env() as client:
        return to_dict(await client.create_delivery(from_dict(DeliveryRequest, order)))


@app.task(bind=True, max_retries=5)
def create_delivery(self: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Create the delivery of an order, given as the API's own JSON."""
    try:
        return asyncio.run(_create(order))
    except (TransportError, RateLimitedError, ServerError) as error:
        raise self.retry(exc=error, countdown=error.retry_after or 60) from error
