"""Reading order files: rows a second and peak memory, for workbooks and CSV, beside openpyxl and pandas.

``python -m benchmarks.scenarios.order_files`` measures 10,000 and 100,000 rows, ``--million`` a million as well. Each
measurement is a process of its own, so that its memory is its own.
"""

import argparse
import csv
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

NAMES = (
    "№ заказа",
    "Статус",
    "Название товара",
    "Кол-во",
    "Сумма",
    "Имя",
    "Номер телефона",
    "Адрес доставки",
    "Вес, кг",
)
MAPPING = {
    "preset": "kaspi-cabinet",
    "constants": {
        "pickup.address": "42 Dostyk Ave, Almaty",
        "pickup.contact.name": "Warehouse",
        "pickup.contact.phone": "+7 727 000 0000",
    },
}


def rows(count: int) -> Iterator[Sequence[str | int | float]]:
    """The rows of a shop's export, each an order."""
    for number in range(count):
        receiver = (f"Әсел Қ. {number}", 77010000000 + number, f"Алматы, мкр. Самал-2, д. {number}, кв. 12")
        yield 410000000 + number, "Передача на доставку", "Кроссовки", 1, 18990 + number % 1000, *receiver, 0.8


def write(path: Path, count: int) -> None:
    """Write a workbook or a CSV file."""
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([NAMES, *rows(count)])
        return
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for row, cells in enumerate([NAMES, *rows(count)]):
            sheet.write_row(row, 0, cells)


def with_this_package(path: Path) -> int:
    """Make orders: the mapping, the checks and the grouping are part of it."""
    from kaspi_delivery_async.models import DeliveryRequest
    from kaspi_delivery_async.order_files import read_orders

    return sum(isinstance(line.order, DeliveryRequest) for line in read_orders(path, mapping=MAPPING))


def with_openpyxl(path: Path) -> int:
    """Read the cells alone."""
    import openpyxl

    sheet = openpyxl.load_workbook(path, read_only=True).active
    return sum(1 for _ in sheet.iter_rows(values_only=True)) - 1


def with_pandas(path: Path) -> int:
    """Read the cells alone."""
    import pandas as pd

    return len(pd.read_csv(path) if path.suffix == ".csv" else pd.read_excel(path))


READERS: dict[str, Callable[[Path], int]] = {
    "this package": with_this_package,
    "openpyxl": with_openpyxl,
    "pandas": with_pandas,
}


def measure(reader: str, path: Path, count: int) -> None:
    """Read a file once and print a row of the table."""
    began = time.perf_counter()
    found = READERS[reader](path)
    seconds = time.perf_counter() - began
    assert found == count, found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {path.suffix[1:]} | {count:,} | {reader} | {count / seconds:,.0f} | {peak:,.0f} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--only", nargs=3, metavar=("READER", "PATH", "COUNT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        reader, path, count = arguments.only
        measure(reader, Path(path), int(count))
        return
    print("| file | rows | reader | rows a second | peak memory, MiB |\n| --- | ---: | --- | ---: | ---: |", flush=True)
    with TemporaryDirectory() as directory:
        for count in (10_000, 100_000, *([1_000_000] if arguments.million else [])):
            for suffix in (".csv", ".xlsx"):
                path = Path(directory) / f"orders{suffix}"
                write(path, count)
                for reader in READERS:
                    if (suffix, reader) != (".csv", "openpyxl") and (count < 1_000_000 or reader == "this package"):
                        command = [sys.executable, "-m", "benchmarks.scenarios.order_files", "--only"]
                        subprocess.run([*command, reader, str(path), str(count)], check=True)


if __name__ == "__main__":
    main()
