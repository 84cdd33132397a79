"""Files of orders."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kaspi_delivery_async.order_files.fields.columns import COLUMNS
from tests.support.documented_order import DOCUMENTED_ORDER

HEADER = tuple(column.path for column in COLUMNS)


def _cell(path: str) -> str:
    value: Any = DOCUMENTED_ORDER
    for name in path.split("."):
        value = value.get(name, "")
    return str(value)


ROW: Mapping[str, str] = {path: _cell(path) for path in HEADER}
"""The documented order as a row of a CSV file."""


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
