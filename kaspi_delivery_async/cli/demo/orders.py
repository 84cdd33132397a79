"""The orders that the demo delivers: made-up people at plausible addresses of Almaty, Astana and Shymkent."""

import csv
from importlib.resources import files
from typing import Any

from kaspi_delivery_async.models import DeliveryRequest, from_dict

_NUMBERS = frozenset({"parcel.weightGrams", "parcel.valueKzt"})


def bundled_orders() -> list[DeliveryRequest]:
    """Read the orders of the CSV file beside this module; its columns are the paths of an order's fields."""
    lines = (
        files("kaspi_delivery_async.cli.demo.command").joinpath("orders.csv").read_text(encoding="utf-8").splitlines()
    )
    return [from_dict(DeliveryRequest, _nested(row)) for row in csv.DictReader(lines)]


def _nested(row: dict[str, str]) -> dict[str, Any]:
    order: dict[str, Any] = {}
    for column, cell in row.items():
        *parents, name = column.split(".")
        place = order
        for parent in parents:
            place = place.setdefault(parent, {})
        if cell:
            place[name] = int(cell) if column in _NUMBERS else cell
    return order
