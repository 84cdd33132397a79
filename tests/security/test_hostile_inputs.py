"""Well-formed but extreme responses, webhooks and order files: each is read, or refused with one typed error."""

import asyncio
import gc
import random
import resource
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from kaspi_delivery_async import (
    ApiError,
    KaspiDeliveryError,
    UnreadableResponseError,
    WebhookVerificationError,
    operations,
)
from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files import read_orders
from kaspi_delivery_async.webhooks import WebhookVerifier
from tests.support.documented_order import DOCUMENTED_ORDER
from tests.support.orders import order
from tests.support.webhook_messages import NOW, SECRET, body, headers

LONG = [pytest.mark.long, pytest.mark.timeout(1200)]
SEEDS = pytest.mark.parametrize("seeds", [60, pytest.param(10_000, marks=LONG)])
HOLD = 0.1
"""Seconds of the processor for which no input may hold the event loop."""
ROOM = 256 * 1024
"""KiB by which the process may grow, for bodies of at most 4 MiB."""
TEXTS = ["", "\0", "\ud7ff", "😀" * 50, "ә" * 3000, "x" * 300_000, "../..", "%00", '"', "=HYPERLINK(1)"]
TEXTS += ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:60Z"]
NUMBERS = [0, -1, 2**63, 10**400, 1e308, -0.0, 0.1, 1e-320]


@contextmanager
def bounded(seed: int) -> Generator[None]:
    """Have the body end soon, apart from collections of garbage: they take as long as all tests before have left."""
    gc.disable()
    start = time.thread_time()
    try:
        yield
    finally:
        taken = time.thread_time() - start
        gc.enable()
    assert taken < HOLD, f"seed {seed} took {taken:.3f} s"


def value(draw: random.Random, depth: int = 0) -> Any:
    """Return any JSON value, with a taste for extremes."""
    kind = draw.randrange(8 if depth < 4 else 4)
    if kind == 0:
        return draw.choice(TEXTS)
    if kind == 1:
        return draw.choice(NUMBERS[:3] + NUMBERS[4:])
    if kind in {2, 3}:
        return draw.choice([None, True, False])
    if kind == 4:
        many: list[Any] = [draw.choice([1, None, "x", [], {}])] * draw.choice([0, 20_000, 200_000])
        return draw.choice([many, [value(draw, depth + 1) for _ in range(draw.randrange(3))]])
    if kind == 5:
        nested: Any = "end"
        for _ in range(draw.choice([10, 200])):
            nested = [nested] if draw.random() < 0.5 else {"a": nested}
        return nested
    return {draw.choice([*NAMES, *TEXTS[:4]]): value(draw, depth + 1) for _ in range(draw.randrange(6))}


NAMES = [
    *(
        "deliveryId",
        "status",
        "trackingUrl",
        "eta",
        "pickupBy",
        "deliveryBy",
        "history",
        "timestamp",
        "externalOrderId",
    ),
    *("pickup", "dropoff", "contact", "phone", "parcel", "weightGrams", "valueKzt", "eventId", "type", "data", "error"),
]


def mutated(draw: random.Random, document: Any) -> Any:
    """Replace one value somewhere."""
    if not isinstance(document, dict) or not document or draw.random() < 0.2:
        return value(draw)
    name = draw.choice(list(document))
    return {**document, name: mutated(draw, document[name])}


def grown() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@SEEDS
def test_any_response_is_read_or_refused_at_once(seeds: int) -> None:
    before = grown()
    good = {"deliveryId": "dlv_1", "status": "created", "trackingUrl": "https://x", "eta": {"pickupBy": None}}
    delivery = {**DOCUMENTED_ORDER, **good, "history": [{"status": "created", "timestamp": "2024-06-11T08:10:54Z"}]}
    for seed in range(seeds):
        draw = random.Random(seed)
        operation: operations.Operation[Any] = operations.create_delivery(order())
        document = good
        if draw.random() < 0.5:
            operation, document = operations.get_delivery("dlv_1"), delivery
        raw = orjson.dumps(mutated(draw, document))[: 4 * 1024 * 1024]
        status = draw.choice([200, 201, 201, 400, 409, 429, 500, 299, 302])
        with bounded(seed):
            try:
                operation.parse(status, CIMultiDict({"Content-Type": "application/json"}), raw)
            except (ApiError, UnreadableResponseError) as error:
                assert len(str(error)) < 4000, seed
    assert grown() - before < ROOM


@SEEDS
def test_any_webhook_is_verified_or_refused_at_once(seeds: int) -> None:
    before = grown()
    verifier = WebhookVerifier([SECRET])
    good = orjson.loads(body())
    for seed in range(seeds):
        draw = random.Random(seed)
        raw = orjson.dumps(mutated(draw, good))[: 64 * 1024]
        sent: dict[str, str] = headers(raw, secret=draw.choice([SECRET, "another"]))
        if draw.random() < 0.3:
            sent[draw.choice(list(sent))] = draw.choice(TEXTS)
        with bounded(seed):
            try:
                verifier.verify(raw, sent, received_at=NOW)
            except WebhookVerificationError as error:
                assert len(str(error)) < 4000, seed
    assert grown() - before < ROOM


@SEEDS
async def test_any_order_file_is_read_line_by_line(seeds: int, tmp_path: Path) -> None:
    before = grown()
    for seed in range(seeds // 5):
        draw = random.Random(seed)
        path = tmp_path / draw.choice(["orders.jsonl", "orders.csv"])
        lines = [orjson.dumps(mutated(draw, DOCUMENTED_ORDER)) for _ in range(draw.randrange(5))]
        if path.suffix == ".csv":
            columns = [*draw.sample(NAMES, 3), "externalOrderId", "dropoff.contact.phone"]
            cells = [[draw.choice(TEXTS[:5] + TEXTS[6:]) for _ in columns] for _ in range(5)]
            lines = [draw.choice([",", ";", "\t"]).join(row).encode() for row in [columns, *cells]]
        path.write_bytes(draw.choice([b"\n", b"\r\n", b"\r"]).join(lines))
        start = time.thread_time()
        try:
            async for line in read_orders(path):
                assert isinstance(line.order, DeliveryRequest | InvalidRequestError)
                assert isinstance(line.order, DeliveryRequest) or len(str(line.order)) < 4000, seed
                await asyncio.sleep(0)
        except KaspiDeliveryError as error:
            assert len(str(error)) < 10_000, seed
        assert time.thread_time() - start < HOLD * (len(lines) + 1), seed
    assert grown() - before < ROOM
