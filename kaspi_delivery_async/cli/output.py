"""Writes results: as text, with colours where the output is a terminal, or as JSON for programs."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import orjson
import typer
from rich.console import Console
from rich.text import Text

from kaspi_delivery_async import Response
from kaspi_delivery_async.models import Delivery, DeliveryCreated, DeliveryStatus, Eta, Location, to_dict
from kaspi_delivery_async.tracking import StatusChange

STATUS_STYLES: Mapping[str, str] = MappingProxyType({
    DeliveryStatus.CREATED: "default",
    DeliveryStatus.ACCEPTED: "cyan",
    DeliveryStatus.IN_TRANSIT: "blue",
    DeliveryStatus.OUT_FOR_DELIVERY: "magenta",
    DeliveryStatus.DELIVERED: "green",
    DeliveryStatus.CANCELLED: "red",
})  # fmt: skip


def emit(values: Mapping[str, object], text: Text, *, as_json: bool) -> None:
    """Write a result to stdout: ``values`` as one line of JSON, or else ``text``."""
    if as_json:
        typer.echo(orjson.dumps(values))
    else:
        Console().print(text, soft_wrap=True)


def created_values(response: Response[DeliveryCreated]) -> dict[str, object]:
    """Describe a create: the answer's own fields, and how the call went."""
    return {
        **to_dict(response.value),
        "idempotencyKey": response.idempotency_key,
        "replayed": response.replayed,
        "attempts": len(response.attempts),
    }


def created_text(response: Response[DeliveryCreated]) -> Text:
    """Describe a create for people."""
    created = response.value
    note = " (ordered before under this key; no second courier comes)" if response.replayed else ""
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
            ("from", _place(delivery.pickup)),
            ("to", _place(delivery.dropoff)),
            ("parcel", carried),
            *_eta(delivery.eta),
            ("tracking", delivery.tracking_url),
        ],
    )
    for entry in delivery.history or ():
        change = StatusChange(delivery_id=delivery.delivery_id, status=entry.status, timestamp=entry.timestamp)
        sheet.append("\n  ").append_text(change_text(change))
    return sheet


def change_values(change: StatusChange) -> dict[str, object]:
    """Describe a status that was reached."""
    return {
        "deliveryId": change.delivery_id,
        "status": change.status.value,
        "timestamp": change.timestamp and _moment(change.timestamp),
    }


def change_text(change: StatusChange) -> Text:
    """Describe a status that was reached for people."""
    moment = _moment(change.timestamp) if change.timestamp else "time not told"
    return Text.assemble((moment, "dim"), "  ", status_text(change.status))


def status_text(status: str) -> Text:
    """Show a status in its colour."""
    return Text(printable(status), style=STATUS_STYLES.get(status, "default"))


def printable(text: str) -> str:
    """Replace control and format characters: data from elsewhere must not steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _sheet(title: str, status: str, rows: Iterable[tuple[str, str | None]], *, note: str = "") -> Text:
    sheet = Text.assemble((printable(title), "bold"), "  ", status_text(status), (note, "dim"))
    for label, value in rows:
        if value is not None:
            sheet.append(f"\n  {label:<11}", style="dim").append(printable(value))
    return sheet


def _eta(eta: Eta | None) -> list[tuple[str, str | None]]:
    times = (("pickup by", eta.pickup_by), ("deliver by", eta.delivery_by)) if eta else ()
    return [(label, _moment(moment) if moment else None) for label, moment in times]


def _place(place: Location | None) -> str | None:
    if place is None:
        return None
    notes = f" ({place.notes})" if place.notes else ""
    return f"{place.address}: {place.contact.name}, {place.contact.phone}{notes}"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
