"""What a shop does with a delivery API: send an order, and describe its state to the customer."""

from kaspi_delivery_async import (
    Contact,
    DeliveryClient,
    DeliveryRequest,
    DeliveryStatus,
    KaspiDeliveryError,
    Location,
    Outcome,
    Parcel,
)

STORE = Location(
    address="42 Dostyk Ave, Almaty",
    contact=Contact(name="Shop", phone="+7 727 000 0000"),
    notes="Entrance from the yard",
)

SENTENCES = {
    DeliveryStatus.IN_TRANSIT: "Your parcel has left the shop.",
    DeliveryStatus.OUT_FOR_DELIVERY: "The courier is on the way to you.",
    DeliveryStatus.DELIVERED: "Your parcel has arrived.",
    DeliveryStatus.CANCELLED: "The delivery was cancelled.",
}


class Shop:
    """Keeps which order travels as which delivery."""

    def __init__(self, client: DeliveryClient) -> None:
        self._client = client
        self.deliveries: dict[str, str] = {}
        self.to_check: set[str] = set()

    async def ship(self, order_id: str, customer: Contact, address: str, *, grams: int, tenge: int) -> str | None:
        """Send an order; return its tracking page, or None if that has to be tried again."""
        request = DeliveryRequest(
            external_order_id=order_id,
            pickup=STORE,
            dropoff=Location(address=address, contact=customer),
            parcel=Parcel(description="Order of the shop", weight_grams=grams, value_kzt=tenge),
        )
        try:
            created = await self._client.create_delivery(request)
        except KaspiDeliveryError as error:
            if error.outcome is Outcome.UNKNOWN:
                self.to_check.add(order_id)  # ship again: the same order id orders no second courier
            return None
        self.deliveries[order_id] = created.delivery_id
        self.to_check.discard(order_id)
        return created.tracking_url

    async def describe(self, order_id: str) -> str:
        """Say where an order is, in words for the customer."""
        delivery = await self._client.get_delivery(self.deliveries[order_id])
        return SENTENCES.get(delivery.status, "Your parcel is being prepared.")
