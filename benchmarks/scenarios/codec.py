"""Decode and encode alone: bytes to a model, and a model to bytes."""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.contestants import generated
from benchmarks.contestants.samples import DELIVERY_BYTES, ORDER, ORDER_BYTES
from benchmarks.measuring.rounds import Table, microseconds, tabulate
from kaspi_delivery_async.models import Delivery, DeliveryStatus, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COLUMNS = ("CPU µs",)


class Struct(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The same shapes for msgspec."""


class Contact(Struct):
    """A person."""

    name: str
    phone: str


class Location(Struct):
    """A place."""

    address: str
    contact: Contact
    notes: str | None = None


class Parcel(Struct):
    """What is carried."""

    description: str
    weight_grams: int
    value_kzt: int


class Order(Struct):
    """A request."""

    external_order_id: str
    pickup: Location
    dropoff: Location
    parcel: Parcel


class Eta(Struct):
    """When it comes."""

    pickup_by: datetime | None = None
    delivery_by: datetime | None = None


class Passed(Struct):
    """A status passed through."""

    status: DeliveryStatus
    timestamp: datetime | None = None
    notes: str | None = None


class Whole(Struct):
    """A delivery."""

    delivery_id: str
    status: DeliveryStatus
    external_order_id: str | None = None
    pickup: Location | None = None
    dropoff: Location | None = None
    parcel: Parcel | None = None
    tracking_url: str | None = None
    eta: Eta | None = None
    history: tuple[Passed, ...] | None = None


def decoders() -> dict[str, Callable[[], object]]:
    """Ways to read a full delivery, each with the JSON parser that it uses by itself."""
    decoder = msgspec.json.Decoder(Whole)
    foreign: Any = generated.module("models").Delivery
    return {
        "msgspec": lambda: decoder.decode(DELIVERY_BYTES),
        "kaspi_delivery_async": lambda: from_json(Delivery, DELIVERY_BYTES),
        "openapi-python-client": lambda: foreign.from_dict(json.loads(DELIVERY_BYTES)),
    }


def encoders() -> dict[str, Callable[[], object]]:
    """Ways to write an order; the generated client's JSON is written as httpx writes it."""
    encoder, order = msgspec.json.Encoder(), msgspec.json.decode(ORDER_BYTES, type=Order)
    foreign: Any = generated.module("models").DeliveryRequest.from_dict(json.loads(ORDER_BYTES))
    return {
        "msgspec": lambda: encoder.encode(order),
        "kaspi_delivery_async": lambda: to_json(ORDER),
        "openapi-python-client": lambda: json.dumps(
            foreign.to_dict(), ensure_ascii=False, separators=(",", ":"), allow_nan=False
        ).encode(),
    }


def decode_table(*, rounds: int, seconds: float) -> Table:
    """Measure reading."""
    return _table("decode a full Delivery", decoders(), rounds=rounds, seconds=seconds)


def encode_table(*, rounds: int, seconds: float) -> Table:
    """Measure writing."""
    return _table("encode a DeliveryRequest", encoders(), rounds=rounds, seconds=seconds)


def _table(title: str, ways: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float) -> Table:
    measures = {name: partial(microseconds, work, seconds=seconds) for name, work in ways.items()}
    return tabulate(title, COLUMNS, measures, rounds=rounds)
