"""Headings: the names of a table's columns, on one row or two, with or without title rows above."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

SEARCHED_ROWS = 50
"""Rows at the beginning of a table among which its heading is looked for."""

_BLANKS = re.compile(r"[\s\u200b\ufeff]+")


def column_name(text: str) -> str:
    """Return the name of a column, in which any run of blanks and line breaks is one space."""
    return _BLANKS.sub(" ", text).strip()


def spelling(name: str) -> str:
    """Return the common form of all spellings of a name: letter case, ё and blanks do not count."""
    return unicodedata.normalize("NFC", column_name(name)).casefold().replace("ё", "е")


@attrs.frozen
class Heading:
    """The names of a table's columns."""

    row: int
    """Number of its last row."""
    names: Sequence[str]
    groups: Sequence[str] = ()
    """Where the row above names groups of columns: the group of each column."""

    def find(self, name: str) -> list[int]:
        """Return the columns of a name, which may also be ``group / name``."""
        wanted = spelling(name)
        found = [column for column, own in enumerate(self.names) if spelling(own) == wanted]
        if found or not self.groups:
            return found
        pairs = zip(self.groups, self.names, strict=True)
        return [column for column, (group, own) in enumerate(pairs) if spelling(f"{group} / {own}") == wanted]

    @classmethod
    def of(cls, number: int, cells: Sequence[str], above: Sequence[str] | None = None) -> Heading:
        """Return the heading that a row is, together with the row above if that is given."""
        names = [column_name(cell) for cell in cells]
        if above is None:
            return cls(number, names)
        groups: list[str] = []
        width = max(len(names), len(above))
        names += [""] * (width - len(names))
        for cell in [*above, *[""] * (width - len(above))]:
            groups.append(column_name(cell) or (groups[-1] if groups else ""))
        tops = [column_name(cell) for cell in above] + [""] * (width - len(above))
        return cls(number, [name or top for name, top in zip(names, tops, strict=True)], groups)
