"""The delivery API of the month: deliveries, idempotency keys and API keys, and the failures of every day."""

from __future__ import annotations

import json
from collections import OrderedDict
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.status import SEQUENCE

if TYPE_CHECKING:
    import random

    from benchmarks.month.network import Connection, Request

DAY = 86_400.0
ONE_CALL = 60.0
"""Seconds within which requests under one idempotency key belong to one call: the shop waits longer than that."""


@attrs.frozen(kw_only=True)
class Record:
    """A delivery."""

    order_id: str
    times: tuple[float, ...]
    """When it comes to each status."""


@attrs.define
class _Kept:
    at: float
    body: bytes
    api_key: str
    asked_at: float


class Api:
    """What all hosts share."""

    def __init__(self, draw: random.Random) -> None:
        self.api_keys = {"key-0"}
        self.loses_responses = False
        """Whether every response is lost after the work was done."""
        self.deliveries: OrderedDict[str, Record] = OrderedDict()
        self.cancelled: set[str] = set()
        self.created = 0
        self.couriers: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """How many couriers each order of the last days has."""
        self.doubles: list[str] = []
        """Orders with two couriers."""
        self.strays: list[str] = []
        """Calls that changed their API key after an attempt that may have arrived."""
        self._draw = draw
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def serve(self, connection: Connection, request: Request, *, now: float, date: float) -> bool:
        """Respond, or fail as servers do on every day; return whether it responded in time."""
        chance = self._draw.random()
        after = self._draw.uniform(0.02, 0.2)
        if chance < 0.01:
            connection.respond(response(503, {"code": "unavailable", "message": ""}, date=date), after=after)
            return False
        if chance < 0.012:
            hold = str(self._draw.randint(1, 4))
            connection.respond(response(429, {}, date=date, retry_after=hold), after=after)
            return False
        if chance < 0.015:
            connection.reset()
            return False
        status, value = self._carry_out(request, now)
        if chance < 0.025 or self.loses_responses:
            connection.reset()
        elif chance < 0.027:
            connection.is_cut = True
        else:
            slow = self._draw.uniform(9, 15) if chance < 0.028 else after
            connection.respond(response(status, value, date=date), after=slow)
        return chance >= 0.028 and not self.loses_responses

    def _carry_out(self, request: Request, now: float) -> tuple[int, Any]:
        api_key = request.headers["x-api-key"]
        if api_key not in self.api_keys:
            return 401, {"code": "unauthorized", "message": ""}
        if request.method == "GET":
            delivery_id = request.path.split("/")[3].partition("?")[0]
            record = self.deliveries.get(delivery_id)
            if record is None:
                return 404, {"code": "not_found", "message": ""}
            return 200, self._shown(delivery_id, record, now)
        key = request.headers["idempotency-key"]
        kept = self._kept.get(key)
        if kept is not None and now - kept.at < DAY:
            if kept.api_key != api_key and now - kept.asked_at < ONE_CALL:
                self.strays.append(key)
            kept.api_key, kept.asked_at = api_key, now
            return 200, json.loads(kept.body)
        status, value = self._create(request, now) if request.path == "/v1/deliveries" else self._cancel(request, now)
        if status < HTTPStatus.BAD_REQUEST:
            self._kept[key] = _Kept(now, json.dumps(value).encode(), api_key, now)
        return status, value

    def _create(self, request: Request, now: float) -> tuple[int, Any]:
        order_id = json.loads(request.body)["externalOrderId"]
        self.created += 1
        delivery_id = f"dlv_{self.created}"
        at, couriers = self.couriers.get(order_id, (now, 0))
        self.couriers[order_id] = at, couriers + 1
        if couriers:
            self.doubles.append(order_id)
        leg = self._draw.uniform(300, 3000)
        times = tuple(now + number * leg for number in range(len(SEQUENCE)))
        self.deliveries[delivery_id] = Record(order_id=order_id, times=times)
        return 201, {"deliveryId": delivery_id, "status": "created"}

    def _cancel(self, request: Request, now: float) -> tuple[int, Any]:
        delivery_id = request.path.split("/")[3]
        record = self.deliveries[delivery_id]
        if now >= record.times[2]:
            return 409, {"code": "conflict", "message": ""}
        self.cancelled.add(delivery_id)
        return 200, self._shown(delivery_id, record, now)

    def _shown(self, delivery_id: str, record: Record, now: float) -> dict[str, Any]:
        passed = [status for status, at in zip(SEQUENCE, record.times, strict=True) if at <= now]
        status = "cancelled" if delivery_id in self.cancelled else str(passed[-1])
        return {"deliveryId": delivery_id, "externalOrderId": record.order_id, "status": status}

    def forget(self, now: float) -> None:
        """Drop what is older than three days, so that the memory that grows is the client's."""
        for kept in (self._kept, self.couriers, self.deliveries):
            while kept and _age(next(iter(kept.values())), now) > 3 * DAY:
                name, _ = kept.popitem(last=False)
                self.cancelled.discard(name)


def _age(value: Any, now: float) -> float:
    match value:
        case Record():
            return now - value.times[0]
        case _Kept():
            return now - value.at
        case at, _:
            return now - float(at)
    raise AssertionError(value)


def response(status: int, value: Any, *, date: float, retry_after: str | None = None) -> bytes:
    """Write a response down; a text is a page that is not the API's."""
    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Date: {formatdate(date, usegmt=True)}",
        f"Content-Type: {'text/html' if isinstance(value, str) else 'application/json'}",
        f"Content-Length: {len(body)}",
        *([] if retry_after is None else [f"Retry-After: {retry_after}"]),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body
