"""Commands as tests see them: what they are given, and how they end."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import orjson

ORDER: dict[str, Any] = {
    "externalOrderId": "order-742",
    "pickup": {
        "address": "42 Dostyk Ave, Almaty",
        "contact": {"name": "Kaspi Pickup Hub", "phone": "+7 727 000 0000"},
    },
    "dropoff": {
        "address": "89 Satpayev St, Almaty",
        "contact": {"name": "Aigerim K.", "phone": "+7 701 000 0000"},
        "notes": "Call when outside",
    },
    "parcel": {"description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000},
}
"""The order of the founding document."""


@attrs.frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [orjson.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Awaitable[Ended]]
