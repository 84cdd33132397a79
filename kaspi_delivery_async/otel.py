"""Traces and metrics through OpenTelemetry: a span for each call, a child span for each attempt (extra ``otel``).

Names follow OpenTelemetry's HTTP semantic conventions where there are any. The spans are current
while they last, so spans of other instrumentation, and your logs, fall under them.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.errors import KaspiDeliveryError
from kaspi_delivery_async.instrumentation import AttemptDetails, CallDetails, CallResult, WaitDetails, logger
from kaspi_delivery_async.models import DeliveryWebhook
from kaspi_delivery_async.webhooks import InboxTotals, WebhookInbox
from kaspi_delivery_async.webhooks.worker import Handler

try:
    from opentelemetry import context, metrics, trace
except ImportError as _missing:
    raise missing_extra("otel", needs="opentelemetry-api", purpose="tracing through OpenTelemetry") from _missing

_SCOPE = "kaspi_delivery_async"


class Totals(Protocol):
    """What is reported of a journal."""

    @property
    def orders(self) -> Mapping[Any, int]:
        """Number of orders in each state."""
        ...

    @property
    def oldest_sent_at(self) -> float | None:
        """When the oldest order without a response may first have left, in Unix seconds."""
        ...


class HasTotals(Protocol):
    """A journal, such as `bulk.Journal`."""

    async def totals(self) -> Totals:
        """Count orders by state."""
        ...


def _age(since: float | None) -> float:
    return 0.0 if since is None else max(0.0, time.time() - since)


class OpenTelemetry:
    """Instrumentation for `DeliveryClient`: ``DeliveryClient(..., instrumentation=[OpenTelemetry()])``.

    Spans: ``create_delivery`` and the like, with a client span such as ``POST /v1/deliveries`` for
    each attempt. Metrics, in seconds where they are times: ``kaspi.delivery.call.duration`` with
    ``error.type`` and ``kaspi.delivery.replayed`` (counts calls too), ``http.client.request.duration``
    for attempts, ``kaspi.delivery.wait.duration`` between them, and ``http.client.open_connections``
    in use: an attempt holds one. A call that failed or was cancelled also has ``kaspi.delivery.outcome``, its span
    ``kaspi.delivery.idempotency_key``, too. ``kaspi.delivery.retry_budget`` are the tokens left for retries.

    `counted` counts webhook events by status, `observe` reports an inbox and a journal; docs/operations.md lists all.

    Args:
        tracer_provider: Where spans go; the global one if None.
        meter_provider: Where metrics go; the global one if None.

    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self.tracer: trace.Tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self.calls: metrics.Histogram = meter.create_histogram(
            "kaspi.delivery.call.duration", "s", "Calls, waits included."
        )
        self.attempts: metrics.Histogram = meter.create_histogram("http.client.request.duration", "s", "Attempts.")
        self.waits: metrics.Histogram = meter.create_histogram(
            "kaspi.delivery.wait.duration", "s", "Waits between attempts."
        )
        self.connections: metrics.UpDownCounter = meter.create_up_down_counter(
            "http.client.open_connections", "{connection}", "Connections in use."
        )

        self._events = meter.create_counter("kaspi.delivery.webhook.events", "{event}", "Events handed to the handler.")
        gauges = {
            "retry_budget": ("{token}", "Tokens left for retries, of 500."),
            "inbox.events": ("{event}", "Events of the inbox, by state."),
            "inbox.lag": ("s", "Age of the oldest event that waits."),
            "inbox.duplicates": ("{event}", "Duplicates received, of the events that are kept."),
            "inbox.attempts": ("{attempt}", "Attempts to handle the events that are kept."),
            "journal.orders": ("{order}", "Orders of the journal, by state."),
            "journal.oldest_sent": ("s", "Age of the oldest order that was sent and has no response."),
        }
        self._gauges = {
            name: meter.create_gauge(f"kaspi.delivery.{name}", unit, text) for name, (unit, text) in gauges.items()
        }

    def counted(self, handler: Handler) -> Handler:
        """Return a handler that counts each event by status, and by whether the vendor had to send it again.

        An event is counted when the handler is first called for it; one whose process was killed meanwhile, twice.
        """

        async def count_and_handle(event: DeliveryWebhook) -> object:
            attributes: dict[str, str | bool] = {
                "kaspi.delivery.status": event.data.status,
                "kaspi.delivery.webhook.retried": (event.attempt or 1) > 1,
            }
            self._events.add(1, attributes)
            return await handler(event)

        return count_and_handle

    @asynccontextmanager
    async def observe(
        self, *, inbox: WebhookInbox | None = None, journal: HasTotals | None = None, every: float = 15.0
    ) -> AsyncGenerator[None]:
        """Report what an inbox and a `bulk.Journal` hold for as long as the context lasts, ``every`` so many seconds.

        A store that cannot be read is logged, and tried again.
        """
        task = asyncio.create_task(self._report(inbox, journal, every))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def report_budget(self, tokens: float) -> None:
        """Report what is left for retries; each call does."""
        self._gauges["retry_budget"].set(tokens)

    async def _report(self, inbox: WebhookInbox | None, journal: HasTotals | None, every: float) -> None:
        while True:
            try:
                if inbox is not None:
                    self._report_inbox(await inbox.totals())
                if journal is not None:
                    self._report_journal(await journal.totals())
            except KaspiDeliveryError as error:
                logger.warning("the totals of an inbox or a journal cannot be read: %s", error)
            await asyncio.sleep(every)

    def _report_inbox(self, totals: InboxTotals) -> None:
        for state in ("waiting", "handled", "dead"):
            self._gauges["inbox.events"].set(getattr(totals, state), {"kaspi.delivery.inbox.state": state})
        self._gauges["inbox.lag"].set(_age(totals.oldest_received_at))
        self._gauges["inbox.duplicates"].set(totals.duplicates)
        self._gauges["inbox.attempts"].set(totals.attempts)

    def _report_journal(self, totals: Totals) -> None:
        for state, count in totals.orders.items():
            self._gauges["journal.orders"].set(count, {"kaspi.delivery.journal.state": str(state)})
        self._gauges["journal.oldest_sent"].set(_age(totals.oldest_sent_at))

    def call_started(self, call: CallDetails) -> "_TracedCall":
        """Begin the call's span."""
        return _TracedCall(self, call)


class _Current:
    """A span that is the current one until it ends."""

    def __init__(self, span: trace.Span) -> None:
        self.span = span
        self._token = context.attach(trace.set_span_in_context(span))

    def end(self, error: str | None) -> None:
        if error is not None:
            self.span.set_attribute("error.type", error)
            self.span.set_status(trace.StatusCode.ERROR)
        self.span.end()
        context.detach(self._token)


class _TracedCall:
    def __init__(self, telemetry: OpenTelemetry, call: CallDetails) -> None:
        self._telemetry = telemetry
        self._operation: dict[str, str | int] = {"kaspi.delivery.operation": call.operation}
        self._request: dict[str, str | int] = {
            "http.request.method": call.method,
            "url.template": call.route,
            "server.address": call.host,
            "server.port": call.port,
        }
        self._connection: dict[str, str | int] = {
            "http.connection.state": "active",
            "server.address": call.host,
            "server.port": call.port,
        }
        self._call = _Current(telemetry.tracer.start_span(call.operation, attributes=self._operation))
        self._attempt: _Current

    def attempt_started(self, number: int) -> None:
        span = self._telemetry.tracer.start_span(
            f"{self._request['http.request.method']} {self._request['url.template']}",
            kind=trace.SpanKind.CLIENT,
            attributes={**self._request, **({"http.request.resend_count": number - 1} if number > 1 else {})},
        )
        self._attempt = _Current(span)
        self._telemetry.connections.add(1, self._connection)

    def attempt_ended(self, attempt: AttemptDetails) -> None:
        self._telemetry.connections.add(-1, self._connection)
        result: dict[str, str | int] = {}
        if attempt.status is not None:
            result["http.response.status_code"] = attempt.status
        self._attempt.span.set_attributes(result)
        self._attempt.end(attempt.error)
        if attempt.error is not None:
            result["error.type"] = attempt.error
        self._telemetry.attempts.record(attempt.duration, {**self._request, **result})

    def waiting(self, wait: WaitDetails) -> None:
        self._call.span.add_event("wait", {"kaspi.delivery.wait.seconds": wait.seconds})
        self._telemetry.waits.record(wait.seconds, self._operation)

    def call_ended(self, result: CallResult) -> None:
        shared: dict[str, str | int] = {**self._operation, "kaspi.delivery.replayed": result.replayed}
        if result.outcome is not None:
            self._call.span.set_attribute("kaspi.delivery.outcome", result.outcome)
            if result.idempotency_key is not None:
                self._call.span.set_attribute("kaspi.delivery.idempotency_key", result.idempotency_key)
        self._call.span.set_attribute("kaspi.delivery.replayed", result.replayed)
        self._call.end(result.error)
        if result.error is not None:
            shared["error.type"] = result.error
        if result.outcome is not None:
            shared["kaspi.delivery.outcome"] = result.outcome
        self._telemetry.report_budget(result.retry_budget)
        self._telemetry.calls.record(result.duration, shared)
