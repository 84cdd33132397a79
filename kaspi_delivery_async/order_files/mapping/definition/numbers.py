"""Numbers as shops write them: ``118 990,00``, ``0,250 кг``, ``15400.0000``."""

from __future__ import annotations

import re
from decimal import Decimal

from kaspi_delivery_async.order_files.mapping.definition.model import ROUNDINGS, UNITS

_BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_NUMBER = re.compile(
    rf"(?P<before>[^0-9\s.,-]*)[{_BLANKS}]*(?P<number>-?[0-9][0-9.,{_BLANKS}]*?)[{_BLANKS}]*(?P<after>[^0-9\s,][^0-9]*)?"
)
_GROUPED = re.compile(r"-?[0-9]{1,3}(?:X[0-9]{3})+")
_CURRENCY = frozenset({"₸", "тг", "тг.", "тенге", "теңге", "kzt", "tg", "т.", "т"})
_WEIGHTS = {"кг": "kg", "кг.": "kg", "kg": "kg", "г": "g", "г.": "g", "гр": "g", "гр.": "g", "g": "g"}
_MOST_DIGITS = 18

WEIGHT = "parcel.weightGrams"


class NotANumber(ValueError):
    """What is wrong with a number, in words that follow the name of its cell."""


def number(text: str, field: str, unit: str | None) -> Decimal:
    """Return a number in the field's own unit; raises `NotANumber`."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NotANumber("expected a number, such as 18000 or 18 990,00")
    marks = [mark for mark in (match["before"], match["after"]) if mark and mark.strip()]
    own_unit = None
    for mark in (mark.strip().casefold() for mark in marks):
        if field == WEIGHT and mark in _WEIGHTS:
            own_unit = _WEIGHTS[mark]
        elif field == WEIGHT or mark not in _CURRENCY:
            raise NotANumber("expected a number, such as 18000 or 18 990,00, and no other text")
    unit = own_unit or unit
    value = _decimal(match["number"], may_be_thousands=field != "quantity" and unit in {None, "g"})
    return value * UNITS[unit] if field == WEIGHT and unit is not None else value


def whole(value: Decimal, rounding: str | None) -> int:
    """Return a whole number, rounded as it was asked for; raises `NotANumber` for a fraction else."""
    if rounding is not None:
        value = value.quantize(Decimal(1), ROUNDINGS[rounding])
    if value != value.to_integral_value():
        raise NotANumber("the number has decimals; correct it, or say in the mapping how to round it ([rounding])")
    return int(value)


def _decimal(text: str, *, may_be_thousands: bool) -> Decimal:
    digits = re.sub(f"[{_BLANKS}]", "X", text)
    point = ""
    if "." in digits and "," in digits:
        point = max(".,", key=digits.rfind)
    elif digits.count(".") + digits.count(",") == 1:
        point = "." if "." in digits else ","
    whole_part, _, fraction = digits.partition(point) if point else (digits, "", "")
    grouped = re.sub("[.,]", "X", whole_part)
    if "X" in grouped and not _GROUPED.fullmatch(grouped):
        raise NotANumber("its digits are in odd groups; write it without blanks, such as 18000")
    if len(set(re.sub("[-0-9]", "", whole_part))) > 1:
        raise NotANumber("it has three kinds of separators; write it without, such as 18000")
    plain = grouped.replace("X", "")
    if not (fraction.isdigit() or (not fraction and not point)) or len(plain + fraction) > 2 * _MOST_DIGITS:
        raise NotANumber("expected a number, such as 18000 or 18 990,00")
    if len(plain) > _MOST_DIGITS:
        raise NotANumber("the number is too large")
    could_be_thousands = len(fraction) == 3 and "X" not in grouped and plain.lstrip("-").strip("0")
    if may_be_thousands and could_be_thousands and len(plain.lstrip("-")) <= 3:
        raise NotANumber("the number can be read as 18 or as 18000, for example; write it without the separator")
    return Decimal(f"{plain}.{fraction or 0}")
