"""Files of orders."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from kaspi_delivery_async.order_files.columns import COLUMNS

HEADER = tuple(column.path for column in COLUMNS)

ROW: Mapping[str, str] = {
    "externalOrderId": "order-742",
    "pickup.address": "42 Dostyk Ave, Almaty",
    "pickup.contact.name": "Kaspi Pickup Hub",
    "pickup.contact.phone": "+7 727 000 0000",
    "pickup.notes": "",
    "dropoff.address": "89 Satpayev St, Almaty",
    "dropoff.contact.name": "Aigerim K.",
    "dropoff.contact.phone": "+7 701 000 0000",
    "dropoff.notes": "Call when outside",
    "parcel.description": "Shoes, box",
    "parcel.weightGrams": "800",
    "parcel.valueKzt": "18000",
}
"""The order of the founding document."""


def write_rows(path: Path, rows: Iterable[Mapping[str, str]], *, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """Write a CSV file with every column."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, HEADER, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_orders(path: Path, count: int) -> Path:
    """Write orders with the ids ``order-0`` and so on."""
    return write_rows(path, ({**ROW, "externalOrderId": f"order-{number}"} for number in range(count)))
