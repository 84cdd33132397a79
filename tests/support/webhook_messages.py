"""Webhook messages as the vendor sends them, signed with an HMAC of the tests' own."""

import hashlib
import hmac
import json
from typing import Any

SECRET = "whsec-under-test"
NOW = 1_718_093_454.0


def body(event_id: str = "wh_1", *, status: str = "delivered", delivery_id: str = "dlv_1", **fields: Any) -> bytes:
    """Write an event down."""
    data = {"deliveryId": delivery_id, "externalOrderId": "order-742", "status": status}
    data["timestamp"] = "2024-06-11T08:10:54Z"
    return json.dumps({"eventId": event_id, "type": f"delivery.{status}", "attempt": 1, "data": data} | fields).encode()


def headers(raw: bytes, *, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    """Sign a body."""
    signature = hmac.digest(secret.encode(), f"{int(at)}.".encode() + raw, hashlib.sha256).hex()
    return {"Content-Type": "application/json", "X-Kaspi-Timestamp": str(int(at)), "X-Kaspi-Signature": signature}
