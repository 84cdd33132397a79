"""The documented order, delivery and responses, complete; every scenario uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from kaspi_delivery_async.models import Delivery, DeliveryRequest, from_dict

DELIVERY_ID = "dlv_01hfz18tnb7tqw"
ORDER_ID = "order-742"
API_KEY = "benchmark-key"

ORDER_VALUES: dict[str, Any] = orjson.loads(
    (Path(__file__).parents[2] / "tests" / "support" / "order.json").read_bytes()
)

CREATED_VALUES: dict[str, Any] = {
    "deliveryId": DELIVERY_ID,
    "status": "created",
    "trackingUrl": f"https://track.kaspi.kz/{DELIVERY_ID}",
    "eta": {"pickupBy": "2024-06-11T10:10:54Z", "deliveryBy": "2024-06-11T18:10:54Z"},
}

DELIVERY_VALUES: dict[str, Any] = {
    **CREATED_VALUES,
    **ORDER_VALUES,
    "status": "delivered",
    "history": [
        {"status": "created", "timestamp": "2024-06-11T09:10:54Z"},
        {"status": "accepted", "timestamp": "2024-06-11T09:21:07Z", "notes": "Courier assigned"},
        {"status": "in_transit", "timestamp": "2024-06-11T10:02:40Z"},
        {"status": "out_for_delivery", "timestamp": "2024-06-11T15:30:00Z"},
        {"status": "delivered", "timestamp": "2024-06-11T17:44:12Z"},
    ],
}

ORDER = from_dict(DeliveryRequest, ORDER_VALUES)
DELIVERY = from_dict(Delivery, DELIVERY_VALUES)
ORDER_BYTES = orjson.dumps(ORDER_VALUES)
CREATED_BYTES = orjson.dumps(CREATED_VALUES)
DELIVERY_BYTES = orjson.dumps(DELIVERY_VALUES)
