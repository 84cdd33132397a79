"""Services in virtual time, whose metrics are scraped each minute: one that is well, and one for each alert."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry

from kaspi_delivery_async import DeliveryClient, KaspiDeliveryError, RetryPolicy
from kaspi_delivery_async.bulk import Journal, create_deliveries
from kaspi_delivery_async.otel import OpenTelemetry
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from kaspi_delivery_async.webhooks.receivers.loopback import serve_on_loopback
from tests.support.orders import order

MINUTES = 24
BEGINS = 8
"""The minute in which something goes wrong."""

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@attrs.define
class Service:
    """A shop that creates two deliveries and reads six each minute, and receives the events."""

    sandbox: Sandbox
    client: DeliveryClient
    journal: Journal | None = None
    handler: Callable[[], Awaitable[None]] | None = None
    created: int = 0

    async def handle(self, _event: object) -> None:
        if self.handler is not None:
            await self.handler()

    async def minute(self) -> None:
        calls = []
        for _ in range(2):
            self.created += 1
            calls.append(self.client.create_delivery(order(external_order_id=f"order-{self.created}")))
        known = [*self.sandbox.deliveries][-6:]
        calls += [self.client.get_delivery(delivery_id) for delivery_id in known]  # type: ignore[misc]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, KaspiDeliveryError) for each in ended if isinstance(each, BaseException))
        for delivery_id in known[-2:]:
            with suppress(ValueError):
                await self.sandbox.advance(delivery_id, "accepted")


Trouble = Callable[[Service], Awaitable[None]]


async def run(trouble: Trouble | None, folder: Path, monkeypatch: Any) -> list[Series]:
    """Run a service for 24 minutes, with trouble from minute 8 on, and return what each minute's scrape holds."""
    loop, start = asyncio.get_running_loop(), time.time()
    monkeypatch.setattr(time, "time", lambda: start + loop.time())
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    telemetry = OpenTelemetry(meter_provider=MeterProvider(metric_readers=[reader]))
    scrapes: list[Series] = []
    async with _service(telemetry, folder) as service:
        for minute in range(MINUTES):
            if minute == BEGINS and trouble is not None:
                await trouble(service)
            began = loop.time()
            await service.minute()
            await asyncio.sleep(max(0.0, 60 - (loop.time() - began)))
            scrapes.append(_scrape(registry))
    return scrapes


@asynccontextmanager
async def _service(telemetry: OpenTelemetry, folder: Path) -> AsyncGenerator[Service]:
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(seed=1)
        service = Service(sandbox, DeliveryClient("sandbox-key", base_url="http://127.0.0.1:1/"))
        inbox = WebhookInbox(
            WebhookVerifier([sandbox.webhook_secret]), store=MemoryStore(), handler=telemetry.counted(service.handle),
            retry=RetryPolicy(max_attempts=2), handler_timeout=None,
        )  # fmt: skip
        await stack.enter_async_context(inbox)
        sandbox.webhook_url = await stack.enter_async_context(serve_on_loopback(inbox.aiohttp))
        await stack.enter_async_context(sandbox)
        service.client = await stack.enter_async_context(
            DeliveryClient(sandbox.api_key, base_url=sandbox.base_url, instrumentation=[telemetry])
        )
        service.journal = await stack.enter_async_context(Journal(str(folder / "journal.sqlite")))
        await stack.enter_async_context(telemetry.observe(inbox=inbox, journal=service.journal))
        yield service


def _scrape(registry: CollectorRegistry) -> Series:
    kept: Series = {}
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket") and not sample.name.startswith("kaspi_delivery_call"):
                continue
            labels = {name: text for name, text in sample.labels.items() if not name.startswith("otel_scope")}
            labels.pop("server_port", None)
            kept[sample.name, tuple(sorted(labels.items()))] = sample.value
    return kept


async def lose_a_response(service: Service) -> None:
    service.sandbox.faults.add("create:commit-then-drop:count=1")
    service.client = service.client.with_options(retry=RetryPolicy(max_attempts=1))


async def disable_the_key(service: Service) -> None:
    service.sandbox.disabled_keys.add(service.sandbox.api_key)


def fault(text: str) -> Trouble:
    async def add(service: Service) -> None:
        service.sandbox.faults.add(text)

    return add


async def fail_until_nothing_is_left_for_retries(service: Service) -> None:
    service.sandbox.faults.add("get:503")
    delivery_id = next(iter(service.sandbox.deliveries))
    for _ in range(40):
        with suppress(KaspiDeliveryError):
            await service.client.get_delivery(delivery_id)


async def handle_slowly(service: Service) -> None:
    async def wait() -> None:
        await asyncio.sleep(1e6)

    service.handler = wait


async def handle_with_errors(service: Service) -> None:
    async def fail() -> None:
        raise ValueError

    service.handler = fail


async def leave_an_order_in_doubt(service: Service) -> None:
    assert service.journal is not None
    service.sandbox.faults.add("create:commit-then-stall")
    with suppress(TimeoutError):  # as a process that is stopped
        async with asyncio.timeout(2):
            async for _ in create_deliveries(
                service.client, [order(external_order_id="bulk-1")], journal=service.journal
            ):
                pass
    service.sandbox.faults.clear()
    await asyncio.sleep(2 * 3600)


TROUBLES: dict[str, tuple[Trouble | None, set[str]]] = {
    "all is well": (None, set()),
    "a response is lost": (lose_a_response, {"KaspiOutcomeUnknown"}),
    "the key is disabled": (disable_the_key, {"KaspiKeyRefused"}),
    "the API fails": (fault("get:503:0.5"), {"KaspiServerErrors"}),
    "orders are refused": (fault("*:400:0.5"), {"KaspiClientErrors"}),
    "the API limits": (fault("*:429:0.5:retry-after=1"), {"KaspiRateLimited", "KaspiSlowCalls"}),
    "the API is slow": (fault("*:latency:seconds=9"), {"KaspiSlowCalls"}),
    "retries fail": (fail_until_nothing_is_left_for_retries, {"KaspiRetryBudgetLow", "KaspiServerErrors"}),
    "handlers hang": (handle_slowly, {"KaspiInboxLag"}),
    "handlers fail": (handle_with_errors, {"KaspiDeadLetters"}),
    "events are lost": (fault("webhook:drop:0.6"), {"KaspiWebhookRetries"}),
    "an order is in doubt": (leave_an_order_in_doubt, {"KaspiOrdersInDoubt", "KaspiOutcomeUnknown"}),
}
