"""Orders to create, whose personal values make a leak recognisable."""

from typing import Any, TypeVar, cast

import attrs

from kaspi_delivery_async import DeliveryRequest
from kaspi_delivery_async.models import from_dict
from tests.support.documented_order import DOCUMENTED_ORDER

M = TypeVar("M")

PERSONAL = ("+7 701 555 4433", "89 Satpayev St", "Aigerim K.", "ring at gate 7", "Shoes, box", "changed my mind")
"""What no error, repr or log may show."""


def order(external_order_id: str = "order-742") -> DeliveryRequest:
    """Return a complete order."""
    phone, address, name, notes, description, _ = PERSONAL
    there = {"address": address, "contact": {"name": name, "phone": phone}}
    changes = {"pickup": there, "dropoff": {**there, "notes": notes}, "externalOrderId": external_order_id}
    parcel = {**DOCUMENTED_ORDER["parcel"], "description": description}
    return from_dict(DeliveryRequest, {**DOCUMENTED_ORDER, **changes, "parcel": parcel})


def changed(model: M, **fields: Any) -> M:
    """Return a copy with fields of other values, whatever their type."""
    copy: M = attrs.evolve(cast("Any", model), **fields)
    return copy
