"""Marked secrets and marked personal data, looked for wherever an object, an error, a log or a span could show them."""

import asyncio
import inspect
import logging
import pickle
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import kaspi_delivery_async as package
from kaspi_delivery_async import (
    BadRequestError,
    DeliveryClient,
    DeliveryWebhook,
    KaspiDeliveryError,
    Limits,
    Outcome,
    RetryPolicy,
    UnreadableResponseError,
    bulk,
    errors,
    models,
    operations,
    webhooks,
)
from kaspi_delivery_async.bulk import Journal, create_deliveries
from kaspi_delivery_async.bulk.chunks import Chunk, Job
from kaspi_delivery_async.instrumentation import LogOutput
from kaspi_delivery_async.models import CancelRequest, Delivery, from_dict
from kaspi_delivery_async.otel import OpenTelemetry
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from tests.support.orders import PERSONAL, order
from tests.support.raw_server import RawServer
from tests.support.server_scripts import respond
from tests.support.webhook_messages import body, headers

KEY = "marked-api-key-6f1d"
SECRET = "marked-secret-93ab"
PASSWORD = "marked-password-5c20"
SECRETS = (KEY, SECRET, PASSWORD)

BUILDERS: dict[str, Callable[[], object]] = {
    "DeliveryClient": lambda: DeliveryClient(KEY),
    "DeliveryClient with a function": lambda: DeliveryClient(lambda: KEY),
    "DeliveryClient with options": lambda: DeliveryClient(KEY).with_options(limits=Limits()),
    "WebhookVerifier": lambda: webhooks.WebhookVerifier([SECRET, SECRET]),
    "WebhookInbox": lambda: webhooks.WebhookInbox(webhooks.WebhookVerifier([SECRET]), store=webhooks.MemoryStore()),
    "Journal": lambda: Journal(f"postgresql://kaspi:{PASSWORD}@db/orders"),
    "Job": lambda: Job(
        base_url="https://x", journal=f"postgresql://k:{PASSWORD}@db/o", concurrency=1, rate=None, run_id="r"
    ),
    "Chunk": lambda: Chunk(number=1, lines=(bulk.Line(place="order 1", order=order()),)),
    "Line": lambda: bulk.Line(place="order 1", order=order()),
    "Contact": lambda: order().dropoff.contact,
    "Location": lambda: order().dropoff,
    "Parcel": lambda: order().parcel,
    "DeliveryRequest": order,
    "Delivery": lambda: from_dict(
        Delivery, {"deliveryId": "dlv_1", "status": "created", **models.to_dict(order()), "cancelReason": PERSONAL[5]}
    ),
    "CancelRequest": lambda: CancelRequest(reason=PERSONAL[5]),
    "Operation": lambda: operations.create_delivery(order()),
    "Operation of a cancellation": lambda: operations.cancel_delivery("dlv_1", PERSONAL[5]),
    "ApiError": lambda: BadRequestError("it was refused", status=400, outcome=Outcome.REJECTED, message=PERSONAL[0]),
    "UnreadableResponseError": lambda: UnreadableResponseError(
        "a 201 that cannot be read", status=201, body=" ".join(PERSONAL).encode(), delivery_id=None
    ),
}
NOTHING_TO_HIDE = {
    # Names, states, counts and times; settings without secrets; what is shown is what they are for.
    *("Attempt", "DeadLetter", "DeliveryCreated", "DeliveryStatus", "DeliveryWebhook", "DeliveryWebhookData"),
    *("Environment", "Erasure", "ErrorResponse", "Eta", "InboxTotals", "JournalEntry", "JournalTotals", "Limits"),
    *("MemoryStore", "OrderState", "Outcome", "Paused", "Receipt", "Response", "Result", "RetryPolicy"),
    *("StatusChange", "StatusHistory", "StatusHub", "TestWebhook", "TestWebhookRequest", "Timeout"),
    *("WebhookEventType", "WorkersChanged", "DaskExecutor", "Executor", "OrderFile", "Store"),
}


def public_classes() -> set[str]:
    """Name every class that users of the package import, beside its errors."""
    found = [getattr(module, name) for module in (package, bulk, webhooks, models) for name in module.__all__]
    return {one.__name__ for one in found if inspect.isclass(one) and not issubclass(one, errors.KaspiDeliveryError)}


def test_every_public_class_was_thought_of() -> None:
    assert public_classes() - NOTHING_TO_HIDE <= BUILDERS.keys()
    assert public_classes() >= NOTHING_TO_HIDE


@pytest.mark.parametrize("name", BUILDERS)
async def test_no_object_shows_what_it_holds(name: str) -> None:
    built = BUILDERS[name]()
    shown = f"{built!r} {built} {built:} {[built]} {traceback.TracebackException.from_exception(holding(built)).stack}"
    shown += "".join(traceback.TracebackException.from_exception(holding(built), capture_locals=True).format())
    assert not [mark for mark in (*SECRETS, *PERSONAL) if mark in shown]


@pytest.mark.parametrize("name", ["DeliveryClient", "WebhookVerifier", "WebhookInbox", "Journal"])
async def test_no_pickle_carries_a_secret(name: str) -> None:
    try:
        pickled = pickle.dumps(BUILDERS[name]())
    except Exception:  # noqa: BLE001 -- it cannot be pickled at all
        return
    assert not [mark for mark in SECRETS if mark.encode() in pickled]


def holding(_built: object) -> Exception:
    """Return an error out of a frame that holds the object."""
    try:
        int("somewhere else")
    except ValueError as error:
        return error
    raise AssertionError


async def test_no_failure_shows_a_secret_or_a_person(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the error, in its traceback with the locals of every frame, in any logger at DEBUG, and in any span."""
    caplog.set_level(logging.DEBUG)
    for logger in [logging.getLogger(name) for name in logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, logger=logger.name)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    quoted = " ".join(PERSONAL)
    plays = [
        respond(400, orjson.dumps({"error": {"code": "invalid", "message": quoted}})),
        respond(500, orjson.dumps({"error": {"code": "down", "message": quoted}})),
        respond(201, orjson.dumps({"deliveryId": 7, "status": quoted})),
        respond(201, orjson.dumps({"deliveryId": "dlv_1", "status": "created", "eta": quoted})),
    ]
    for play in plays:
        async with (
            RawServer([play]) as server,
            DeliveryClient(
                KEY,
                base_url=server.base_url,
                retry=RetryPolicy(max_attempts=1),
                instrumentation=[LogOutput(), OpenTelemetry(tracer_provider=provider)],
            ) as client,
            Journal(tmp_path / "run.sqlite") as journal,
        ):
            for call in (client.create_delivery(order()), client.cancel_delivery("dlv_1", PERSONAL[5])):
                try:
                    await call
                except KaspiDeliveryError as error:
                    report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
                    own = [line for line in report.splitlines() if "PERSONAL" not in line and "quoted" not in line]
                    assert not [mark for mark in (KEY, *PERSONAL) if any(mark in line for line in own)]
            results = [result async for result in create_deliveries(client, [order()], journal=journal)]
            assert not [mark for mark in (KEY, *PERSONAL) if mark in str(results)]
        (tmp_path / "run.sqlite").unlink()
    logged = "\n".join(f"{record.name} {record.getMessage()} {record.exc_text}" for record in caplog.records)
    assert not [mark for mark in (KEY, *PERSONAL) if mark in logged]
    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert spans
    assert not [mark for mark in (KEY, *PERSONAL) if mark in spans]


async def test_files_that_a_run_and_an_inbox_leave_hold_no_one(tmp_path: Path) -> None:
    """Finished, and closed; also while they are still open, once the log was emptied."""
    async with (
        Sandbox() as sandbox,
        DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        Journal(tmp_path / "run.sqlite") as journal,
    ):
        _ = [
            result async for result in create_deliveries(client, [order(f"o-{n}") for n in range(50)], journal=journal)
        ]
    verifier = webhooks.WebhookVerifier([SECRET])

    async def handler(event: DeliveryWebhook) -> None:
        assert event.data.delivery_id == "dlv_1"

    async with webhooks.WebhookInbox(verifier, store=str(tmp_path / "inbox.sqlite"), handler=handler) as inbox:
        message = body(externalOrderId="o-1", courier={"phone": PERSONAL[0]}, dropoff={"address": PERSONAL[1]})
        await inbox.receive(message, headers(message, at=time.time(), secret=SECRET))
        while (await inbox.totals()).handled == 0:
            await asyncio.sleep(0.01)
    store = SqlStore(tmp_path / "inbox.sqlite")
    await store.prune(before=time.time() + 60)
    await store.close()
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"run.sqlite", "inbox.sqlite"}
    for path in files:
        content = path.read_bytes()
        assert not [mark for mark in (*PERSONAL[:5], SECRET, sandbox.api_key) if mark.encode() in content], path
        assert path.stat().st_mode & 0o077 == 0
