# Generated from the API description by `python -m codegen`; do not edit.
"""Models of the Kaspi Delivery API."""

import attrs

from kaspi_delivery_async._open_enum import OpenEnum


@attrs.frozen(kw_only=True)
class DeliveryRequest:
    """An order."""

    external_order_id: str = attrs.field(metadata={"wire": "externalOrderId"})
    """The partner's own order id."""

    weight_grams: int = attrs.field(metadata={"wire": "weightGrams"})
    """Weight in grams."""

    time_slot: str = attrs.field(metadata={"wire": "timeSlot"})
    """When the courier may come."""


class DeliveryStatus(OpenEnum):
    """Where a delivery stands."""

    CREATED = "created"

    DELIVERED = "delivered"


@attrs.frozen(kw_only=True)
class Delivery:
    """A delivery as it stands."""

    delivery_id: str = attrs.field(metadata={"wire": "deliveryId"})
    """The id that the API gave the delivery."""

    status: DeliveryStatus
    """Where it stands."""

    tracking_url: str | None = attrs.field(default=None, metadata={"wire": "trackingUrl"})
    """A page to follow the courier on."""


class EventType(OpenEnum):
    """What an event tells of."""

    DELIVERY_CREATED = "delivery.created"

    DELIVERY_DELIVERED = "delivery.delivered"


@attrs.frozen(kw_only=True)
class Event:
    """An event."""

    type: EventType
    """What happened."""
