"""Numbers of a workbook as its user sees them: dates, and numbers with leading zeros."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspi_delivery_async.order_files.tables.archive import Archive, Attributes

_DATES = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
"""The formats with a fixed number that are dates or times."""
_NO_SYMBOLS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.')
_SHORT = 15
"""Digits that Excel keeps of a number; further ones are zeros."""


@attrs.frozen
class NumberFormats:
    """The formats of a workbook's cells."""

    codes: Mapping[str, str | int]
    """By the number of a cell's style: ``date``, or the digits to which zeros fill a number up."""
    epoch: datetime

    def text(self, value: str, style: str | None) -> str:
        """Return a number as its user sees it, with a decimal point if it has one."""
        kind = self.codes.get(style) if style is not None else None
        if kind == "date":
            return self._date(value)
        text = _plain(value)
        return text.zfill(kind) if isinstance(kind, int) and text.isdigit() else text

    def _date(self, value: str) -> str:
        try:
            moment = self.epoch + timedelta(seconds=round(float(value) * 86400))
        except (ValueError, OverflowError):
            return value
        return moment.strftime("%Y-%m-%d" if moment.time() == datetime.min.time() else "%Y-%m-%d %H:%M:%S")


def read_formats(archive: Archive, part: str, *, since_1904: bool) -> NumberFormats:
    """Read the formats of a workbook; one without styles has none."""
    custom: dict[str, str] = {}
    codes: dict[str, str | int] = {}
    is_in_cells = False
    count = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal is_in_cells, count
        if name == "numFmt":
            custom[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name in {"cellXfs", "cellStyleXfs"}:
            is_in_cells = name == "cellXfs"
        elif name == "xf" and is_in_cells:
            number = attributes.get("numFmtId", "0")
            kind = _kind(number, custom.get(number, ""))
            if kind is not None:
                codes[str(count)] = kind
            count += 1

    if part in archive:
        archive.elements(part, start)
    return NumberFormats(codes, datetime.fromisoformat("1904-01-01" if since_1904 else "1899-12-30"))


def _kind(number: str, code: str) -> str | int | None:
    if not code:
        return "date" if number.isdigit() and int(number) in _DATES else None
    symbols = _NO_SYMBOLS.sub("", code.partition(";")[0])
    if len(symbols) > 1 and not symbols.strip("0"):
        return len(symbols)
    return "date" if re.search("[dmyhs]", symbols, re.IGNORECASE) and symbols != "General" else None


def _plain(value: str) -> str:
    if value.isdigit() and len(value) <= _SHORT:
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    if abs(number) >= 10**_SHORT:
        return f"{number:.14E}"  # its last digits are lost: no order id, and no phone
    return f"{Decimal(f'{number:.{_SHORT}g}'):f}"
