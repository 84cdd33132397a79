"""Deliveries as text for people and as values for programs."""

from collections.abc import Iterable

from rich.text import Text

from kaspi_delivery_async import Response
from kaspi_delivery_async.cli.output import change_text, printable, status_text, utc_text
from kaspi_delivery_async.models import Delivery, DeliveryCreated, Eta, Location, to_dict
from kaspi_delivery_async.tracking import StatusChange


def created_values(response: Response[DeliveryCreated]) -> dict[str, object]:
    """Describe a create: the fields of the response, and how the call went."""
    return {
        **to_dict(response.value),
        "idempotencyKey": response.idempotency_key,
        "replayed": response.replayed,
        "attempts": len(response.attempts),
    }


def created_text(response: Response[DeliveryCreated]) -> Text:
    """Describe a create for people."""
    created = response.value
    note = " (replayed: this delivery already existed, no second courier was ordered)" if response.replayed else ""
    return _sheet(
        created.delivery_id,
        created.status,
        [*_eta(created.eta), ("tracking", created.tracking_url), ("key", response.idempotency_key)],
        note=note,
    )


def delivery_text(delivery: Delivery) -> Text:
    """Describe a delivery for people."""
    parcel = delivery.parcel
    carried = f"{parcel.description}, {parcel.weight_grams} g, {parcel.value_kzt} ₸" if parcel else None
    sheet = _sheet(
        delivery.delivery_id,
        delivery.status,
        [
            ("order", delivery.external_order_id),
            ("from", _location(delivery.pickup)),
            ("to", _location(delivery.dropoff)),
            ("parcel", carried),
            *_eta(delivery.eta),
            ("tracking", delivery.tracking_url),
        ],
    )
    for entry in delivery.history or ():
        change = StatusChange(delivery_id=delivery.delivery_id, status=entry.status, timestamp=entry.timestamp)
        sheet.append("\n  ").append_text(change_text(change))
    return sheet


def _sheet(title: str, status: str, rows: Iterable[tuple[str, str | None]], *, note: str = "") -> Text:
    sheet = Text.assemble((printable(title), "bold"), "  ", status_text(status), (note, "dim"))
    for label, value in rows:
        if value is not None:
            sheet.append(f"\n  {label:<11}", style="dim").append(printable(value))
    return sheet


def _eta(eta: Eta | None) -> list[tuple[str, str | None]]:
    times = (("pickup by", eta.pickup_by), ("deliver by", eta.delivery_by)) if eta else ()
    return [(label, utc_text(moment) if moment else None) for label, moment in times]


def _location(place: Location | None) -> str | None:
    if place is None:
        return None
    notes = f" ({place.notes})" if place.notes else ""
    return f"{place.address}: {place.contact.name}, {place.contact.phone}{notes}"
