"""Creates that are sent again: the same key and the same bytes, however much later and by whatever release."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kaspi_delivery_async._generated.operations import CREATE_DELIVERY
from kaspi_delivery_async.operations import Operation

if TYPE_CHECKING:
    from kaspi_delivery_async.models import DeliveryCreated


def fingerprint_of(body: bytes) -> str:
    """Return the SHA-256 of a body, in hex."""
    return hashlib.sha256(body).hexdigest()


def stored_create(*, order_id: str, key: str, body: bytes) -> Operation[DeliveryCreated]:
    """Return the create that was stored with this key and body, byte for byte."""
    return Operation(
        spec=CREATE_DELIVERY,
        path=CREATE_DELIVERY.path,
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
        body=body,
        idempotency_key=key,
        about=("externalOrderId", order_id),
    )
