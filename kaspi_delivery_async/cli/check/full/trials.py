"""Trials for the checklist: a rehearsal on an embedded sandbox, TLS connections to the hosts, the receiver's exam."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kaspi_delivery_async.cli.check.full.items import Evidence, bad, good, unknown
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import ConfigurationError, KaspiDeliveryError
from kaspi_delivery_async.models import Contact, DeliveryRequest, Location, Parcel
from kaspi_delivery_async.options import Environment, RetryPolicy
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.sandbox.conformance import Result, TargetError, examine

CONNECTION_LIMIT = 5.0
"""Seconds that a host has for a TLS connection."""

_PLACE = Location(address="Rehearsal", contact=Contact(name="Rehearsal", phone="+7 700 000 0000"), notes="Rehearsal")
_ORDER = DeliveryRequest(
    external_order_id="go-live-rehearsal", pickup=_PLACE, dropoff=_PLACE,
    parcel=Parcel(description="Rehearsal", weight_grams=1, value_kzt=1),
)  # fmt: skip


async def rehearse() -> dict[int, list[Evidence]]:
    """Create and cancel a delivery on a sandbox of this process that fails once each, and look at the requests."""
    async with (
        Sandbox(faults=("create:503:count=1", "cancel:503:count=1")) as sandbox,
        DeliveryClient(
            sandbox.api_key, base_url=sandbox.base_url, retry=RetryPolicy(base=0.01), instrumentation=()
        ) as client,
    ):
        created = await client.create_delivery(_ORDER)
        await client.cancel_delivery(created.delivery_id)
        requests = list(sandbox.requests)
        dropoff: Any = sandbox.deliveries[created.delivery_id].request["dropoff"]
    keyed = all(request.headers.get("x-api-key") == sandbox.api_key for request in requests)
    keys = {request.operation: request.idempotency_key for request in requests}
    retried = Counter(request.operation for request in requests) == {"create": 2, "cancel": 2}
    same = all(request.idempotency_key == keys[request.operation] is not None for request in requests)
    seen = f"{len(requests)} requests of a rehearsal on a sandbox of this process, with a retry each"
    return {
        3: [Evidence(keyed and retried, f"x-api-key is on each of the {seen}")],
        4: [Evidence(same and retried, f"an idempotency key, the same for the retry, is on each of the {seen}")],
        11: [Evidence(dropoff.get("notes") == _PLACE.notes, "a rehearsal sent notes, and the sandbox has them")],
    }


async def about_hosts() -> list[Evidence]:
    """Connect to both hosts of the vendor over TLS; no request is sent."""
    hosts = [urlsplit(environment.base_url).hostname or "" for environment in Environment]
    return list(await asyncio.gather(*map(_about_host, hosts)))


async def _about_host(host: str) -> Evidence:
    try:
        async with asyncio.timeout(CONNECTION_LIMIT):
            _, writer = await asyncio.open_connection(host, 443, ssl=ssl.create_default_context())
    except OSError as error:
        return bad(f"{host}: no TLS connection ({type(error).__name__}); let outbound HTTPS to it through")
    writer.close()
    return good(f"{host} is reached, and its certificate is valid")


async def about_receiver(url: str | None, secrets: Iterable[str], *, owned: bool) -> list[Evidence]:
    """Have a receiver take the exam."""
    if url is None:
        return [unknown("--receiver names no URL to examine")]
    secret = next(iter(secrets), None)
    if secret is None:
        return [unknown("KASPI_WEBHOOK_SECRET is not set, so that the receiver cannot be examined")]
    try:
        report = await examine(url, secret=secret, owned=owned)
    except TargetError as error:
        raise ConfigurationError(f"--receiver: {error}") from None
    failed = [row.name for row in report.rows if row.result is Result.FAILED]
    warned = [row.name for row in report.rows if row.result is Result.WARNING]
    text = f"the exam of {report.url} failed in {', '.join(failed)}" if failed else f"{report.url} passes the exam"
    if warned:
        text += f"; warnings: {', '.join(warned)}"
    return [Evidence(not failed, text)]


async def about_store(location: str | None) -> list[Evidence]:
    """Read how many events and dead letters the inbox holds."""
    if not location:
        return []
    from kaspi_delivery_async._database.location import parse_location
    from kaspi_delivery_async.webhooks.stores.sql import SqlStore

    place = parse_location(location)
    if isinstance(place, Path) and not place.exists():
        return [bad("KASPI_WEBHOOK_STORE names a file that does not exist")]
    store = SqlStore(location)
    try:
        totals = await store.totals()
    except KaspiDeliveryError as error:
        return [bad(f"the inbox of KASPI_WEBHOOK_STORE cannot be read: {error}")]
    finally:
        await store.close()
    return [good(f"the inbox keeps dead letters: {totals.dead} now, {totals.waiting} events waiting")]
