"""arq: create a delivery in a job.

    arq arq_worker.WorkerSettings

All jobs of a worker share one client. A job may run again: the order's id is the idempotency key, so that no second
courier comes within 23 hours.
"""

import os
from typing import Any, ClassVar

from arq import Retry
from arq.connections import RedisSettings

from kaspi_delivery_async import DeliveryClient, DeliveryRequest, RateLimitedError, ServerError, TransportError
from kaspi_delivery_async.models import from_dict, to_dict


async def create_delivery(context: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    """Create the delivery of an order, given as the API's own JSON."""
    client: DeliveryClient = context["client"]
    try:
        return to_dict(await client.create_delivery(from_dict(DeliveryRequest, order)))
    except (TransportError, RateLimitedError, ServerError) as error:
        raise Retry(defer=error.retry_after or 60) from error


async def open_client(context: dict[str, Any]) -> None:
    """Open the client with the worker."""
    context["client"] = DeliveryClient.from_env()


async def close_client(context: dict[str, Any]) -> None:
    """Close it after the last job."""
    await context["client"].aclose()


class WorkerSettings:
    """What `arq` reads."""

    functions: ClassVar = [create_delivery]
    on_startup = open_client
    on_shutdown = close_client
    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
    job_timeout = 60
    # On SIGTERM, wait for the jobs in flight: longer than a call takes at most (`Timeout.total`, 30 s).
    job_completion_wait = 35
