"""Writes results: as text, with colours where the output is a terminal, or as JSON for programs."""

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import orjson
import typer
from rich.console import Console
from rich.text import Text

from kaspi_delivery_async.models import DeliveryStatus
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
        console().print(text, soft_wrap=True)


def console(*, width: int | None = None, stderr: bool = False) -> Console:
    """Return a console of ``width`` columns, or as wide as its terminal."""
    if width is None and not os.environ.get("COLUMNS", "1").strip("0"):
        width = shutil.get_terminal_size().columns  # rich takes COLUMNS=0 literally, and shows nothing
    return Console(width=width, stderr=stderr)


def change_values(change: StatusChange) -> dict[str, object]:
    """Describe a status change for programs."""
    return {
        "deliveryId": change.delivery_id,
        "status": change.status.value,
        "timestamp": change.timestamp and utc_text(change.timestamp),
    }


def change_text(change: StatusChange) -> Text:
    """Describe a status change for people."""
    moment = utc_text(change.timestamp) if change.timestamp else "time unknown"
    return Text.assemble((moment, "dim"), "  ", status_text(change.status))


def status_text(status: str) -> Text:
    """Show a status in its colour."""
    return Text(printable(status), style=STATUS_STYLES.get(status, "default"))


def printable(text: str) -> str:
    """Replace control and format characters: data from elsewhere must not steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def utc_text(moment: datetime) -> str:
    """Return a time in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
