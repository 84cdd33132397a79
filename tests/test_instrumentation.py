"""Reports of calls: to hooks, to the log, to OpenTelemetry."""

import asyncio
import importlib
import logging
import sys
import time
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kaspi_delivery_async import (
    ConfigurationError,
    DeliveryClient,
    DeliveryWebhook,
    NotFoundError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from kaspi_delivery_async.bulk import JournalTotals, OrderState
from kaspi_delivery_async.errors import StorageError
from kaspi_delivery_async.instrumentation import (
    AttemptDetails,
    CallDetails,
    CallObserver,
    CallResult,
    Instrumentation,
    WaitDetails,
)
from kaspi_delivery_async.otel import OpenTelemetry
from kaspi_delivery_async.webhooks import MemoryStore, WebhookInbox, WebhookVerifier
from tests.support import server_scripts
from tests.support.orders import order
from tests.support.raw_server import GOOD_BODY, RawServer
from tests.support.webhook_messages import SECRET, body, headers

pytestmark = pytest.mark.looptime


class Recorder:
    """Remembers all that it receives."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def call_started(self, call: CallDetails) -> CallObserver:
        self.seen.append(call)
        return self

    def attempt_started(self, number: int) -> None:
        self.seen.append(number)

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        self.seen.append(attempt)

    def waiting(self, wait: WaitDetails) -> None:
        self.seen.append(wait)

    def call_ended(self, result: CallResult) -> None:
        self.seen.append(result)


class Broken:
    """Fails at everything."""

    def call_started(self, call: CallDetails) -> CallObserver:
        if call.operation == "get_delivery":
            raise RuntimeError("broken at once")
        return self

    def attempt_started(self, number: int) -> None:
        raise RuntimeError("broken")

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        raise RuntimeError("broken")

    def waiting(self, wait: WaitDetails) -> None:
        raise RuntimeError("broken")

    def call_ended(self, result: CallResult) -> None:
        raise RuntimeError("broken")


FAILS_ONCE = [
    server_scripts.respond(503, b"{}", "Retry-After: 1"),
    server_scripts.respond(201, GOOD_BODY, "X-Idempotent-Replay: true"),
]


def client_of(server: RawServer, *instrumentation: Instrumentation) -> DeliveryClient:
    return DeliveryClient("key", base_url=server.base_url, instrumentation=instrumentation)


async def test_hooks_are_called_in_order() -> None:
    recorder = Recorder()
    async with RawServer(FAILS_ONCE) as server, client_of(server, recorder) as client:
        await client.create_delivery(order())
    started, first, failed, wait, second, succeeded, ended = recorder.seen
    assert started == CallDetails(
        operation="create_delivery", method="POST", route="/v1/deliveries", host="127.0.0.1", port=server.port
    )
    assert (first, second) == (1, 2)
    assert (failed.number, failed.status, failed.error) == (1, 503, "ServerError")
    assert wait.after_attempt == 1
    assert 1 <= wait.seconds <= 1.5
    assert (succeeded.number, succeeded.status, succeeded.error) == (2, 201, None)
    assert (ended.attempts, ended.status, ended.error, ended.outcome, ended.replayed) == (2, 201, None, None, True)
    assert ended.duration == pytest.approx(wait.seconds, abs=0.1)


async def test_hooks_receive_a_failure_and_its_outcome() -> None:
    recorder = Recorder()
    async with RawServer([server_scripts.close_after_request]) as server, client_of(server, recorder) as client:
        with pytest.raises(Exception, match="the connection was lost"):
            await client.send_test_webhook("http://127.0.0.1/", "delivery.created")
    *_, attempt, ended = recorder.seen
    assert (attempt.status, attempt.error) == (None, "TransportError")
    assert (ended.error, ended.outcome) == ("TransportError", "unknown")


async def test_hooks_are_called_for_a_cancelled_call() -> None:
    recorder = Recorder()
    async with RawServer([server_scripts.stall]) as server, client_of(server, recorder) as client:
        call = asyncio.create_task(client.get_delivery("dlv_1"))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    *_, attempt, ended = recorder.seen
    assert attempt.error == ended.error == "CancelledError"


async def test_a_broken_hook_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    async with RawServer(FAILS_ONCE) as server, client_of(server, Broken(), recorder) as client:
        await client.create_delivery(order())
        await client.get_delivery("dlv_1")
    assert len(recorder.seen) == 7 + 4
    assert {record.message for record in caplog.records} == {"an instrumentation hook failed"}


async def test_the_log_has_attempts_retries_and_failures(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="kaspi_delivery_async")
    async with (
        RawServer([server_scripts.respond(503, b"{}")]) as server,
        DeliveryClient("key", base_url=server.base_url) as client,
    ):
        with pytest.raises(ServerError):
            await client.with_options(retry=RetryPolicy(max_attempts=2)).get_delivery("dlv_1")
    attempt, retry, again, failure = [record.getMessage() for record in caplog.records]
    assert attempt.startswith("get_delivery: attempt 1: 503 after 0.")
    assert retry.startswith("get_delivery: attempt 1 failed, next in ")
    assert again.startswith("get_delivery: attempt 2: 503")
    assert failure.startswith("get_delivery: ServerError (unknown) after 2 attempts, ")


class Telemetry:
    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._tracers = TracerProvider()
        self._tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.instrumentation = OpenTelemetry(
            tracer_provider=self._tracers, meter_provider=MeterProvider(metric_readers=[self._reader])
        )

    def spans(self) -> dict[str, list[ReadableSpan]]:
        found: dict[str, list[ReadableSpan]] = {}
        for span in self._spans.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    def points(self) -> dict[str, list[Any]]:
        data: Any = self._reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return {metric.name: list(metric.data.data_points) for metric in metrics}


async def test_spans_of_a_call_and_its_attempts() -> None:
    telemetry = Telemetry()
    async with RawServer(FAILS_ONCE) as server, client_of(server, telemetry.instrumentation) as client:
        await client.create_delivery(order())
    spans = telemetry.spans()
    (call,) = spans["create_delivery"]
    first, second = spans["POST /v1/deliveries"]
    assert call.attributes is not None
    assert call.attributes["kaspi.delivery.replayed"] is True
    assert [event.name for event in call.events] == ["wait"]
    for attempt in (first, second):
        assert attempt.kind is trace.SpanKind.CLIENT
        assert attempt.parent == call.context
    assert dict(first.attributes or {}) == {
        "http.request.method": "POST",
        "url.template": "/v1/deliveries",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "http.response.status_code": 503,
        "error.type": "ServerError",
    }
    assert (second.attributes or {})["http.request.resend_count"] == 1
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_the_span_of_a_create_that_failed_has_its_outcome_and_its_key() -> None:
    telemetry = Telemetry()
    async with (
        RawServer([server_scripts.respond(500, b"{}", "X-Idempotent-Replay: true")]) as server,
        client_of(server, telemetry.instrumentation) as client,
    ):
        with pytest.raises(ServerError):
            await client.create_delivery(order("order-7"))
    (call,) = telemetry.spans()["create_delivery"]
    attributes = call.attributes or {}
    assert attributes["kaspi.delivery.outcome"] == "unknown"
    assert attributes["kaspi.delivery.idempotency_key"] == "order-7"


@pytest.mark.looptime
async def test_metrics_of_an_inbox_a_journal_and_the_retry_budget(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = Telemetry()
    handled: list[str] = []

    async def handle(event: DeliveryWebhook) -> None:
        handled.append(event.event_id)
        if event.event_id == "wh_bad":
            raise ValueError

    class Broken:
        """A journal that cannot be read."""

        async def totals(self) -> JournalTotals:
            raise StorageError("the journal is locked")

    class Filled:
        async def totals(self) -> JournalTotals:
            orders = {OrderState.SENT: 2, OrderState.CREATED: 5}
            return JournalTotals(environment=None, orders=orders, oldest_sent_at=time.time() - 3600)

    inbox = WebhookInbox(
        WebhookVerifier([SECRET]), store=MemoryStore(), handler=telemetry.instrumentation.counted(handle),
        retry=RetryPolicy(max_attempts=1),
    )  # fmt: skip
    async with inbox, telemetry.instrumentation.observe(inbox=inbox, journal=Filled()):
        for event_id, attempt in (("wh_1", 1), ("wh_2", 3), ("wh_bad", 1)):
            message = body(event_id, attempt=attempt)
            await inbox.receive(message, headers(message, at=time.time()))
        async with telemetry.instrumentation.observe(inbox=inbox):
            await asyncio.sleep(16)
        points = telemetry.points()
    async with telemetry.instrumentation.observe(journal=Broken(), every=1):
        await asyncio.sleep(2)

    def values(name: str) -> dict[object, float]:
        return {next(iter(point.attributes.values()), None): point.value for point in points[f"kaspi.delivery.{name}"]}

    events = [(dict(point.attributes), point.value) for point in points["kaspi.delivery.webhook.events"]]
    assert events == [
        ({"kaspi.delivery.status": "delivered", "kaspi.delivery.webhook.retried": False}, 2),
        ({"kaspi.delivery.status": "delivered", "kaspi.delivery.webhook.retried": True}, 1),
    ]
    assert sorted(handled) == ["wh_1", "wh_2", "wh_bad"]
    assert values("inbox.events") == {"waiting": 0, "handled": 2, "dead": 1}
    assert values("inbox.lag") == {None: 0}
    assert values("inbox.attempts") == {None: 3}
    assert values("journal.orders") == {"sent": 2, "created": 5}
    assert values("journal.oldest_sent") == {None: pytest.approx(3600, abs=60)}
    assert "the journal is locked" in caplog.text


async def test_a_failed_call_counts_its_outcome_and_what_is_left_for_retries() -> None:
    telemetry = Telemetry()
    script = [server_scripts.close_after_request]
    async with RawServer(script) as server, client_of(server, telemetry.instrumentation) as client:
        with pytest.raises(TransportError):
            await client.send_test_webhook("http://127.0.0.1/", "delivery.created")
    points = telemetry.points()
    (call,) = points["kaspi.delivery.call.duration"]
    (budget,) = points["kaspi.delivery.retry_budget"]
    assert call.attributes["kaspi.delivery.outcome"] == "unknown"
    assert budget.value == 500


async def test_metrics_of_calls_attempts_waits_and_connections() -> None:
    telemetry = Telemetry()
    script = [*FAILS_ONCE, server_scripts.respond(404, b""), server_scripts.close_after_request]
    async with RawServer(script) as server, client_of(server, telemetry.instrumentation) as client:
        await client.create_delivery(order())
        with pytest.raises(NotFoundError):
            await client.get_delivery("dlv_1")
        with pytest.raises(Exception, match="the connection was lost"):
            await client.send_test_webhook("http://127.0.0.1/", "delivery.created")
    points = telemetry.points()
    errors = {point.attributes.get("error.type"): point.count for point in points["kaspi.delivery.call.duration"]}
    assert errors == {None: 1, "NotFoundError": 1, "TransportError": 1}
    attempts = {point.attributes.get("http.response.status_code") for point in points["http.client.request.duration"]}
    assert attempts == {503, 201, 404, None}
    (wait,) = points["kaspi.delivery.wait.duration"]
    assert wait.count == 1
    (open_now,) = points["http.client.open_connections"]
    assert open_now.value == 0


async def test_what_to_install_is_said_where_opentelemetry_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, OpenTelemetry.__module__)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"kaspi-delivery-async\[otel\]"):
        importlib.import_module(OpenTelemetry.__module__)
