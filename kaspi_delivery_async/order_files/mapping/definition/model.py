"""A mapping as plain data."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs

from kaspi_delivery_async.order_files.tables.heading import spelling

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping as Dict

UNITS: Dict[str, int] = MappingProxyType({"kg": 1000, "g": 1})
"""Units of weight, in grams."""
ROUNDINGS: Dict[str, str] = MappingProxyType({"up": ROUND_CEILING, "down": ROUND_FLOOR, "nearest": ROUND_HALF_UP})


@attrs.frozen
class Part:
    """A column of a field."""

    names: tuple[str, ...]
    """The names to try: the first that is not empty counts."""
    is_optional: bool = False
    """Whether a file may have none of them."""


@attrs.frozen(kw_only=True)
class Source:
    """The columns of a field."""

    alternatives: tuple[tuple[Part, ...], ...]
    """Columns whose texts are joined. Of several lists the first counts in which a row has any text, and as a whole:
    the street of one address never meets the city of another."""
    join: str = ", "
    pattern: re.Pattern[str] | None = None
    """Its first group is the value, or all that it matches if it has none."""
    is_optional: bool = False
    """Whether a file may have none of the columns."""
    once: frozenset[str] = frozenset()
    """Those of its names, in their common spelling, that are columns of the whole order, whatever the others are."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of its columns."""
        return tuple(part for parts in self.alternatives for part in parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that its columns may have."""
        return tuple(name for part in self.parts for name in part.names)


@attrs.frozen(kw_only=True)
class Rule:
    """Which rows are orders of ours: those to skip, or the only ones to keep."""

    names: tuple[str, ...]
    """Names of columns. A row is skipped for any of them, and kept for the first that is filled."""
    values: frozenset[str] = frozenset()
    """In their common spelling."""
    pattern: re.Pattern[str] | None = None
    is_filled: bool = False
    """Whether any text matches."""
    is_optional: bool = False

    def matches(self, text: str) -> bool:
        """Whether a cell is one that the rule means."""
        if self.is_filled and text:
            return True
        return spelling(text) in self.values or bool(self.pattern is not None and self.pattern.search(text))


@attrs.frozen(kw_only=True)
class Group:
    """How several rows become one order."""

    by: str
    """The field, or else the name of the column, that is the same on all rows of an order."""
    quantity: tuple[str, ...] = ()
    """Names of the column by which numbers are multiplied."""
    once: frozenset[str] = frozenset()
    """Fields that are the same on every row of an order and are taken once."""
    sum: frozenset[str] = frozenset()
    """Fields that are sums of their rows already, so that the quantity does not count."""


@attrs.frozen(kw_only=True)
class FileFormat:
    """What cannot be found out about a file."""

    sheet: str | None = None
    heading_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None


@attrs.frozen(kw_only=True)
class Mapping:
    """How the rows of a table become orders; made by `load_mapping`."""

    name: str
    """What messages call it."""
    file: FileFormat = FileFormat()
    columns: Dict[str, Source]
    """By field, as are the next four."""
    constants: Dict[str, str]
    defaults: Dict[str, str]
    units: Dict[str, str]
    rounding: Dict[str, str]
    skip: tuple[Rule, ...] = ()
    keep: tuple[Rule, ...] = ()
    group: Group | None = None
    phone_country: str | None = None
    allows_look_alikes: bool = False
