"""Traces and metrics through OpenTelemetry: a span for each call, a child span for each attempt (extra ``otel``).

Names follow OpenTelemetry's HTTP semantic conventions where there are any. The spans are current
while they last, so spans of other instrumentation, and your logs, fall under them.
"""

from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.instrumentation import AttemptDetails, CallDetails, CallResult, WaitDetails

try:
    from opentelemetry import context, metrics, trace
except ImportError as _missing:
    raise missing_extra("otel", needs="opentelemetry-api", purpose="tracing through OpenTelemetry") from _missing

_SCOPE = "kaspi_delivery_async"


class OpenTelemetry:
    """Instrumentation for `DeliveryClient`: ``DeliveryClient(..., instrumentation=[OpenTelemetry()])``.

    Spans: ``create_delivery`` and the like, with a client span such as ``POST /v1/deliveries`` for
    each attempt. Metrics, in seconds where they are times: ``kaspi.delivery.call.duration`` with
    ``error.type`` and ``kaspi.delivery.replayed`` (counts calls too), ``http.client.request.duration``
    for attempts, ``kaspi.delivery.wait.duration`` between them, and ``http.client.open_connections``
    in use: an attempt holds one. The span of a call that failed or was cancelled also has ``kaspi.delivery.outcome``
    and ``kaspi.delivery.idempotency_key``.

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
        self._telemetry.calls.record(result.duration, shared)
