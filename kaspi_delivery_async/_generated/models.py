# Generated from the API description by `python -m codegen`; do not edit.
"""Models of the Kaspi Delivery API."""

from datetime import datetime

import attrs

from kaspi_delivery_async._open_enum import OpenEnum


@attrs.frozen(kw_only=True)
class Contact:
    """A person to meet at a pickup or dropoff.

    Source: GS, RF.
    """

    name: str = attrs.field(repr=False)
    """Name of the person or place."""

    phone: str = attrs.field(repr=False)
    """Phone number, passed through as it is given; no format is documented."""


@attrs.frozen(kw_only=True)
class Location:
    """A place that the courier goes to, and whom to meet there.

    Source: GS, RF.
    """

    address: str = attrs.field(repr=False)
    """Postal address, as a courier reads it."""

    contact: Contact
    """Whom to meet."""

    notes: str | None = attrs.field(default=None, repr=False)
    """Instructions for the courier."""


@attrs.frozen(kw_only=True)
class Parcel:
    """What is carried.

    Source: GS, RF.
    """

    description: str = attrs.field(repr=False)
    """What is inside."""

    weight_grams: int = attrs.field(metadata={"wire": "weightGrams"})
    """Weight in grams; no bounds are documented."""

    value_kzt: int = attrs.field(metadata={"wire": "valueKzt"})
    """Declared value in tenge, for insurance; no bounds are documented."""


@attrs.frozen(kw_only=True)
class DeliveryRequest:
    """An order to carry one parcel from one place to another.

    Source: GS, CD, RF.
    """

    external_order_id: str = attrs.field(metadata={"wire": "externalOrderId"})
    """The partner's own order id, unique per delivery."""

    pickup: Location
    """Where the parcel is collected."""

    dropoff: Location
    """Where the parcel goes."""

    parcel: Parcel
    """What is carried."""


class DeliveryStatus(OpenEnum):
    """Where a delivery stands.

    It goes `created`, `accepted`, `in_transit`, `out_for_delivery`, `delivered`; or from one of the first two to
    `cancelled`.

    Source: GS, CD.
    """

    CREATED = "created"
    """Made, not yet accepted."""

    ACCEPTED = "accepted"
    """Accepted; pickup is still to come."""

    IN_TRANSIT = "in_transit"
    """Picked up; it can no longer be cancelled."""

    OUT_FOR_DELIVERY = "out_for_delivery"
    """On the way to the door."""

    DELIVERED = "delivered"
    """Arrived."""

    CANCELLED = "cancelled"
    """Voided before pickup."""


@attrs.frozen(kw_only=True)
class Eta:
    """When the courier is expected.

    Source: GS, RF.
    """

    pickup_by: datetime | None = attrs.field(default=None, metadata={"wire": "pickupBy"})
    """Latest expected pickup."""

    delivery_by: datetime | None = attrs.field(default=None, metadata={"wire": "deliveryBy"})
    """Latest expected arrival at the door."""


@attrs.frozen(kw_only=True)
class StatusHistory:
    """One status that a delivery has passed through.

    Source: RF.
    """

    status: DeliveryStatus
    """The status reached."""

    timestamp: datetime | None = None
    """When it was reached."""

    notes: str | None = attrs.field(default=None, repr=False)
    """A remark, free text."""


@attrs.frozen(kw_only=True)
class DeliveryCreated:
    """The response to a create.

    Only the id and the status are sure to be there: a courier may be on the way, so a missing time must not look
    like a failure.

    Source: GS, RF.
    """

    delivery_id: str = attrs.field(metadata={"wire": "deliveryId"})
    """The id that the API gave the delivery."""

    status: DeliveryStatus
    """Where the delivery stands."""

    tracking_url: str | None = attrs.field(default=None, metadata={"wire": "trackingUrl"})
    """A page where the recipient can follow the courier."""

    eta: Eta | None = None
    """When the courier is expected."""


@attrs.frozen(kw_only=True)
class Delivery:
    """A delivery as it stands.

    Only the id and the status are sure to be there.

    Source: RF.
    """

    delivery_id: str = attrs.field(metadata={"wire": "deliveryId"})
    """The id that the API gave the delivery."""

    status: DeliveryStatus
    """Where the delivery stands."""

    external_order_id: str | None = attrs.field(default=None, metadata={"wire": "externalOrderId"})
    """The partner's own order id."""

    pickup: Location | None = None
    """Where the parcel is collected."""

    dropoff: Location | None = None
    """Where the parcel goes."""

    parcel: Parcel | None = None
    """What is carried."""

    tracking_url: str | None = attrs.field(default=None, metadata={"wire": "trackingUrl"})
    """A page where the recipient can follow the courier."""

    eta: Eta | None = None
    """When the courier is expected."""

    history: tuple[StatusHistory, ...] | None = None
    """The statuses passed through, when `includeHistory` asked for them."""


@attrs.frozen(kw_only=True)
class CancelRequest:
    """Why a delivery is cancelled.

    Source: RF.
    """

    reason: str | None = attrs.field(default=None, repr=False)
    """The reason, free text."""


class WebhookEventType(OpenEnum):
    """The event that a webhook reports.

    Source: WE, WH.
    """

    DELIVERY_CREATED = "delivery.created"
    """The delivery was made."""

    DELIVERY_ACCEPTED = "delivery.accepted"
    """It was accepted."""

    DELIVERY_IN_TRANSIT = "delivery.in_transit"
    """It was picked up."""

    DELIVERY_OUT_FOR_DELIVERY = "delivery.out_for_delivery"
    """It is on the way to the door."""

    DELIVERY_DELIVERED = "delivery.delivered"
    """It arrived."""

    DELIVERY_CANCELLED = "delivery.cancelled"
    """It was voided before pickup."""


@attrs.frozen(kw_only=True)
class TestWebhookRequest:
    """Where to send a test event, and which.

    Source: RF.
    """

    __test__ = False  # pytest takes every class named Test… for a test.

    url: str = attrs.field(repr=False)
    """Where to send it; it may hold a token, so it is treated as a secret."""

    type: WebhookEventType
    """Which event to send."""


@attrs.frozen(kw_only=True)
class TestWebhook:
    """The response to a test webhook; every field may be missing.

    Source: RF.
    """

    __test__ = False  # pytest takes every class named Test… for a test.

    event_id: str | None = attrs.field(default=None, metadata={"wire": "eventId"})
    """The id of the test event."""

    status: str | None = None
    """Its state, such as `queued`; its values are not documented."""


@attrs.frozen(kw_only=True)
class DeliveryWebhookData:
    """The delivery that a webhook is about.

    Source: CD, WH.
    """

    delivery_id: str = attrs.field(metadata={"wire": "deliveryId"})
    """The id that the API gave the delivery."""

    status: DeliveryStatus
    """The status reached."""

    external_order_id: str | None = attrs.field(default=None, metadata={"wire": "externalOrderId"})
    """The partner's own order id."""

    timestamp: datetime | None = None
    """When it was reached."""


@attrs.frozen(kw_only=True)
class DeliveryWebhook:
    """An event, as it is sent to the partner's server.

    Source: CD, WH.
    """

    event_id: str = attrs.field(metadata={"wire": "eventId"})
    """The id of the event, the same on every attempt."""

    type: WebhookEventType
    """What happened."""

    data: DeliveryWebhookData
    """The delivery it is about."""

    attempt: int | None = None
    """Which attempt to send it this is, from 1."""


@attrs.frozen(kw_only=True)
class ErrorResponse:
    """Why a request was refused.

    No field is sure to be there: the HTTP status decides, the body only adds to it.

    Source: RF.
    """

    code: str | None = None
    """A word for programs, such as `unauthorized`, `conflict` or `rate_limited`; may be any other."""

    message: str | None = None
    """A sentence for people."""
