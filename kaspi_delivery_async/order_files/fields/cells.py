"""Cells of a table as values: numbers as people write them, and what spreadsheets leave behind."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.text import INVISIBLE

if TYPE_CHECKING:
    from kaspi_delivery_async.order_files.fields.columns import Column

_BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_NUMBER = re.compile(
    rf"(?P<whole>-?(?:[0-9]{{1,18}}|(?P<grouped>[0-9]{{1,3}}(?:[{_BLANKS}][0-9]{{3}}){{1,5}})))"
    r"(?:[.,](?P<fraction>[0-9]+))?"
)
_THOUSANDS = "000"
"""A fraction that may as well be a group of three digits, as in ``18,000``."""

_SPREADSHEET_ERROR = re.compile(
    # In English and in Russian; a row of # is a column that was too narrow.
    r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|Н/Д|ССЫЛКА!|ЗНАЧ!|ДЕЛ/0!|ИМЯ\?|ПУСТО!|ЧИСЛО!|ПЕРЕНОС!|#+)",
    re.IGNORECASE,
)
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?E[+-]?[0-9]+", re.IGNORECASE)
_FEWEST_DIGITS = 3

_TEXT_FORMULA = re.compile(r'="([^"]*)"')  # as in `="000017"`, which keeps a spreadsheet from making a number of it
_TEXT_MARK = re.compile(r"'(?=[+=@0-9-])")  # as in `'+7701…`, for the same purpose
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")


def cleaned(cell: str) -> str:
    """Return a cell without blanks around it, and without the marks of spreadsheets and web pages."""
    text = cell.strip()
    if text[:2] == '="' and (formula := _TEXT_FORMULA.fullmatch(text)):
        text = formula[1].strip()
    elif text[:1] == "'":
        text = _TEXT_MARK.sub("", text, count=1) if _TEXT_MARK.match(text) else text
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text).strip()
    return text


def cell_problem(text: str, column: Column, *, grouped_numbers: bool) -> str | None:
    """Return what is wrong with a cell, without showing its text, or None."""
    if not text:
        return "is empty" if column.required else None
    if _SPREADSHEET_ERROR.fullmatch(text):
        return f"is the spreadsheet error {text}; correct the formula or enter the value"
    if column.is_number:
        return _number_problem(text, grouped_numbers=grouped_numbers)
    if column.path == "externalOrderId":
        return order_id_problem(text)
    if column.path.endswith(".phone") and not _SCIENTIFIC.fullmatch(text) and not _has_digits(text):
        return f"is no phone number: it has fewer than {_FEWEST_DIGITS} digits, or only zeros"
    return None


def cell_value(text: str, column: Column) -> str | int:
    """Return the value of a cell that has no problem."""
    if not column.is_number:
        return text
    number = _NUMBER.fullmatch(text)
    whole = number["whole"] if number else text
    return int(whole.translate(dict.fromkeys(map(ord, _BLANKS))))


def order_id_problem(text: str) -> str | None:
    """Return what is wrong with an order id, or None."""
    if _SCIENTIFIC.fullmatch(text):
        return (
            "a spreadsheet has rounded it to a number such as 4,1E+11, so its digits are lost; format the column as "
            "text and enter the id again"
        )
    if not text.isascii() and (found := _INVISIBLE.search(text)):
        name = unicodedata.name(found[0], "a control character")
        return (
            f"has an invisible character (U+{ord(found[0]):04X} {name}) as its character {found.start() + 1}; delete "
            "the id and type it again, or it could be a second courier for the order that it looks like"
        )
    return None


def _number_problem(text: str, *, grouped_numbers: bool) -> str | None:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return "expected a whole number in digits, such as 18000"
    if number["grouped"] is not None and not grouped_numbers:
        return "the number has blanks; allow them by --grouped-numbers (grouped_numbers=True)"
    fraction = number["fraction"]
    if fraction == _THOUSANDS and number["grouped"] is None:
        return "the number can be read as 18 or as 18000, for example; write it without the separator"
    if fraction is not None and fraction.strip("0"):
        return "the number has decimals; expected a whole number, such as 18000"
    return None


def _has_digits(text: str) -> bool:
    digits = [character for character in text if character.isdigit()]
    return len(digits) >= _FEWEST_DIGITS and any(digit != "0" for digit in digits)
