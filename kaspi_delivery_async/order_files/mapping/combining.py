"""The rows of one order as one order: texts that agree, descriptions joined, numbers summed as the mapping says."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, checked_order, from_dict
from kaspi_delivery_async.order_files.fields.cells import cell_problem
from kaspi_delivery_async.order_files.fields.columns import COLUMNS, ORDER_ID, Column, put
from kaspi_delivery_async.order_files.fields.phones import normal_phone
from kaspi_delivery_async.order_files.mapping.definition.numbers import NotANumber, number, whole
from kaspi_delivery_async.order_files.mapping.records import matched
from kaspi_delivery_async.order_files.tables.heading import spelling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaspi_delivery_async.order_files.mapping.mapped_columns import MappedColumns
    from kaspi_delivery_async.order_files.mapping.records import Record

_JOINED = frozenset({"parcel.description", "pickup.notes", "dropoff.notes"})
"""Texts that may differ from row to row."""
_PHONE_DIGITS = 10


def combined(
    columns: MappedColumns, records: Sequence[Record], where: str
) -> tuple[DeliveryRequest | InvalidRequestError, tuple[str, ...]]:
    """Return the order of some rows, or all that is wrong with it, and what is doubtful."""
    return _Combination(columns, records, where).order()


class _Combination:
    def __init__(self, columns: MappedColumns, records: Sequence[Record], where: str) -> None:
        self._columns = columns
        self._mapping = columns.mapping
        self._records = records
        self._where = where
        self._problems: list[str] = []
        self._warnings: list[str] = []

    def order(self) -> tuple[DeliveryRequest | InvalidRequestError, tuple[str, ...]]:
        group = self._mapping.group
        if group is None and len(self._records) > 1:
            self._problems.append(
                "they have the same order id; if they are the articles of one order, say so in the mapping ([group])"
            )
        values: dict[str, Any] = {}
        if not self._problems:
            for column in COLUMNS:
                value = self._number(column) if column.is_number else self._text(column)
                if value is not None:
                    put(values, column.path.split("."), value)
        self._look_for_doubts()
        if not self._problems:
            try:
                return checked_order(from_dict(DeliveryRequest, values)), tuple(self._warnings)
            except InvalidRequestError as error:
                for path, problem in error.problems:
                    self._problems.append(f"{self._shown(path.removeprefix('$.'), self._records[0])}: {problem}")
        return InvalidRequestError(self._where, "; ".join(self._problems)), ()

    def _text(self, column: Column) -> str | None:
        field = column.path
        found: dict[str, tuple[str, Record]] = {}
        for record in self._records:
            text = record.fields.get(field)
            if not text:
                continue
            value = matched(text, self._mapping.columns[field])
            if value is None:
                self._refuse(field, record, "does not match the pattern of the mapping")
            elif value:
                found.setdefault(_same(value, field), (value, record))
        if len(found) > 1 and field not in _JOINED:
            rows = " and ".join(str(record.row) for _, record in list(found.values())[:2])
            self._problems.append(
                f"{field} differs between {self._columns.table.unit}s {rows}; the rows of an order have one {field}"
            )
            return None
        texts = [text for text, _ in found.values()]
        text = ", ".join(texts) if texts else self._otherwise(field)
        record = next(iter(found.values()))[1] if found else self._records[0]
        problem = cell_problem(text, column, grouped_numbers=True)
        if problem is None and text and field.endswith(".phone") and self._mapping.phone_country is not None:
            text, problem = normal_phone(text, self._mapping.phone_country)
        if problem is not None:
            self._refuse(field, record, problem)
        return text or None

    def _number(self, column: Column) -> int | None:
        field = column.path
        numbers: list[tuple[Decimal, Record]] = []
        empty: list[Record] = []
        default = self._mapping.defaults.get(field)
        for record in self._records if field in self._columns.sources else ():
            text = record.fields.get(field)
            try:
                if text:
                    numbers.append((self._value(text, field, record), record))
                else:
                    empty.append(record)
            except NotANumber as problem:
                self._refuse(field, record, str(problem))
        if self._problems:
            return None
        is_once = field in self._columns.sources and self._columns.is_once(field)
        if numbers and empty and default is not None and not is_once:
            numbers += [(Decimal(default), record) for record in empty]
            empty = []
        if not numbers:
            text = self._otherwise(field)
            if not text:
                self._refuse(field, self._records[0], "is empty")
            return int(Decimal(text)) if text else None
        if empty and not is_once:
            rows = ", ".join(str(record.row) for record in empty)
            self._warnings.append(f"{field} is empty on {self._columns.table.unit} {rows}, and counts as 0 there")
        return self._total(field, numbers, is_once=is_once)

    def _total(self, field: str, numbers: Sequence[tuple[Decimal, Record]], *, is_once: bool) -> int | None:
        try:
            total = self._once(numbers) if is_once else self._sum(field, numbers)
            return whole(total, self._mapping.rounding.get(field))
        except NotANumber as problem:
            self._refuse(field, numbers[0][1], str(problem))
            return None

    def _once(self, numbers: Sequence[tuple[Decimal, Record]]) -> Decimal:
        first = numbers[0][0]
        if any(value != first for value, _ in numbers):
            raise NotANumber("differs between the rows of the order, though the mapping says that it is the same")
        return first

    def _sum(self, field: str, numbers: Sequence[tuple[Decimal, Record]]) -> Decimal:
        group = self._mapping.group
        if group is not None and group.quantity and field not in group.sum:
            return sum((value * self._quantity(record) for value, record in numbers), Decimal(0))
        is_same = len({value for value, _ in numbers}) == 1
        if group is not None and len(numbers) > 1 and is_same and field not in group.sum:
            raise NotANumber(
                f"is the same on all {len(numbers)} rows, so it may be that of the whole order; say in the mapping "
                f'which it is: [group] once = ["{field}"], or sum'
            )
        return sum((value for value, _ in numbers), Decimal(0))

    def _value(self, text: str, field: str, record: Record) -> Decimal:
        value = matched(text, self._mapping.columns[field])
        if not value:
            raise NotANumber("does not match the pattern of the mapping")
        spreadsheet_error = cell_problem(value, _TEXT, grouped_numbers=True)
        if spreadsheet_error is not None:
            raise NotANumber(spreadsheet_error)
        found = number(value, field, self._mapping.units.get(field))
        if found < 0:
            raise NotANumber("must not be negative")
        return found

    def _quantity(self, record: Record) -> Decimal:
        try:
            quantity = number(record.quantity, "quantity", None)
        except NotANumber:
            quantity = Decimal(0)
        if quantity <= 0:
            unit = self._columns.table.unit
            raise NotANumber(f"needs the quantity of {unit} {record.row}, which is empty or no number above 0")
        return quantity

    def _otherwise(self, field: str) -> str:
        return self._mapping.constants.get(field) or self._mapping.defaults.get(field, "")

    def _refuse(self, field: str, record: Record, problem: str) -> None:
        self._problems.append(f"{self._shown(field, record)}: {problem}")

    def _shown(self, field: str, record: Record) -> str:
        row = f"{self._columns.table.unit} {record.row}, " if len(self._records) > 1 else ""
        return f"{row}{self._columns.shown(field, record.row)}"

    def _look_for_doubts(self) -> None:
        unit = self._columns.table.unit
        for record in self._records:
            if record.has_lost_letters:
                self._warnings.append(f"{unit} {record.row}: a letter was probably lost, leaving a ? inside a word")
            if record.is_hidden:
                self._warnings.append(f"{unit} {record.row} is hidden in the sheet")


_TEXT = Column(path="", is_number=False, required=False)


def _same(text: str, field: str) -> str:
    """Return what makes two texts the same: of a phone, its last digits."""
    if field.endswith(".phone"):
        return "".join(character for character in text if character.isdigit())[-_PHONE_DIGITS:] or text
    return text if field == ORDER_ID else spelling(text)
