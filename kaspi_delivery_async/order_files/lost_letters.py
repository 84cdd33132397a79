"""Letters that an export in Windows-1251 has lost: Kazakh ones become question marks."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from kaspi_delivery_async.order_files.tables.rows import Row

_NAMED_LINES = 20
"""Lines that a warning names; the rest are counted."""
_LOST_LETTER = re.compile(r"\?[\u0400-\u04ff]")  # as in `?лем`: no word has a question mark before a letter

_logger = logging.getLogger(__name__)


def has_lost_letter(text: str) -> bool:
    """Whether a letter was replaced by a question mark."""
    return _LOST_LETTER.search(text) is not None


class LostLetters:
    """Looks at the rows of a file; as a context, it logs one warning at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[int] = []
        self._more = 0

    def look(self, row: Row) -> bool:
        """Take a row; return whether it has lost letters."""
        is_damaged = any("?" in cell and has_lost_letter(cell) for cell in row.cells)
        if is_damaged and len(self._lines) < _NAMED_LINES:
            self._lines.append(row.number)
        elif is_damaged:
            self._more += 1
        return is_damaged

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._lines:
            _logger.warning(
                "%s: a letter was probably lost, leaving a ? inside a word, on lines %s%s; the orders are read as they "
                "are: save the file as CSV UTF-8 to keep Kazakh letters",
                self._path.name,
                ", ".join(map(str, self._lines)),
                f" and {self._more} more" if self._more else "",
            )
