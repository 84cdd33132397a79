"""Orders to create, with values that a leak can be recognised by."""

from typing import Any, TypeVar, cast

import attrs

from kaspi_delivery_async import Contact, DeliveryRequest, Location, Parcel

M = TypeVar("M")

PERSONAL = ("+7 701 555 4433", "89 Satpayev St", "Aigerim K.", "ring at gate 7", "Shoes, box", "changed my mind")
"""What no error, repr or log may show."""


def order(external_order_id: str = "order-742") -> DeliveryRequest:
    """Return a complete order."""
    phone, address, name, notes, description, _ = PERSONAL
    return DeliveryRequest(
        external_order_id=external_order_id,
        pickup=Location(address=address, contact=Contact(name=name, phone=phone)),
        dropoff=Location(address=address, contact=Contact(name=name, phone=phone), notes=notes),
        parcel=Parcel(description=description, weight_grams=800, value_kzt=18000),
    )


def changed(model: M, **fields: Any) -> M:
    """Return a copy with fields of other values, whatever their type."""
    copy: M = attrs.evolve(cast("Any", model), **fields)
    return copy
