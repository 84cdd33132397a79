"""Bodies of the exam's messages: events of made-up deliveries, which no handler can mistake for real ones."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from kaspi_delivery_async.sandbox.wire_format import dumps, rfc3339

Event = dict[str, Any]


class Events:
    """Makes events; ``run`` is in every id, so that no exam repeats the events of another."""

    def __init__(self, run: str, *, now: float) -> None:
        self._run = run
        self._now = now
        self._numbers = itertools.count(1)

    def event(self, status: str = "created", *, attempt: int = 1, age: float = 0.0, **more: object) -> Event:
        """Return an event of a delivery of its own. Source: CD, WH."""
        name = f"exam_{self._run}_{next(self._numbers)}"
        data = {
            "deliveryId": f"dlv_{name}",
            "externalOrderId": f"order-{name}",
            "status": status,
            "timestamp": rfc3339(self._now - age),
        }
        return {"eventId": f"wh_{name}", "type": f"delivery.{status}", "attempt": attempt, "data": data, **more}

    def body(self, status: str = "created", *, write: Callable[[Event], bytes] = dumps, **more: Any) -> bytes:
        """Return an event as JSON."""
        return write(self.event(status, **more))


def with_blanks(event: Event) -> bytes:
    """Write an event as Python does."""
    return json.dumps(event, ensure_ascii=False).encode()


def indented(event: Event) -> bytes:
    """Write an event over several lines."""
    return json.dumps(event, ensure_ascii=False, indent=2).encode()


def escaped(event: Event) -> bytes:
    """Write an event with an escape in place of some letters, which are the same JSON."""
    return dumps(event).replace(b"exam", b"\\u0065xam")
