"""Results as an Excel workbook: real columns, links and colours, no cell a formula; needs the extra `xlsx`."""

import csv
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kaspi_delivery_async._extras import missing_extra
from kaspi_delivery_async.cli.language import translated as _

_COLOURS: Mapping[str, str] = MappingProxyType({
    "created": "#C6EFCE",
    "rejected": "#FFC7CE",
    "failed": "#FFC7CE",
    "sent": "#FFEB9C",
    "in_doubt": "#FFEB9C",
})  # fmt: skip
_WIDTHS: Mapping[str, int] = MappingProxyType({"place": 26, "deliveryId": 26, "trackingUrl": 44, "error": 60})
_WIDTH = 16
_MOST_LINKS = 65_530
"""Links of a sheet that Excel opens; further ones are text."""
_MOST_ROWS = 1_048_575


def writer() -> Any:
    """Return the package that writes workbooks, which has no types; raises `MissingExtraError` if there is none."""
    try:
        return importlib.import_module("xlsxwriter")
    except ImportError:
        raise missing_extra("xlsx", needs="XlsxWriter", purpose="a results file in Excel's format") from None


def write_sheet(rows: Path, target: Path) -> None:
    """Write the rows of a CSV file as a workbook; what does not fit on one sheet goes on the next."""
    settings = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with (
        rows.open(encoding="utf-8", newline="") as file,
        target.open("wb") as written,
        writer().Workbook(written, settings) as book,
    ):
        bold = book.add_format({"bold": True})
        link = book.add_format({"font_color": "blue", "underline": 1})
        colours = {state: book.add_format({"bg_color": colour}) for state, colour in _COLOURS.items()}
        reader = csv.reader(file)
        names = next(reader, list[str]())
        sheet: Any = None
        for count, cells in enumerate(reader):
            row = count % _MOST_ROWS + 1
            if sheet is None or row == 1:
                sheet = book.add_worksheet()
                sheet.freeze_panes(1, 0)
                for column, name in enumerate(names):
                    sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH))
                    sheet.write_string(0, column, _(name), bold)
            for column, (name, cell) in enumerate(zip(names, cells, strict=True)):
                if name == "trackingUrl" and cell.startswith("https://") and row < _MOST_LINKS:
                    sheet.write_url(row, column, cell, link, cell)
                elif cell:
                    sheet.write_string(row, column, cell, colours.get(cell) if name == "state" else None)
        if sheet is None:
            book.add_worksheet()
