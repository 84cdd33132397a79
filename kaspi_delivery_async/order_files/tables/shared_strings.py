"""The texts that a workbook keeps once for all cells: on the disk, because there may be millions of them."""

from __future__ import annotations

import re
import tempfile
from functools import lru_cache
from typing import IO, TYPE_CHECKING
from xml.parsers import expat

from kaspi_delivery_async.order_files.tables.archive import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspi_delivery_async.order_files.tables.archive import Archive, Attributes

LONGEST_CELL = 32_767 * 4
"""Characters of a cell that are read. Excel allows 32,767."""

_OFFSET = 8
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SharedStrings:
    """Texts by their number."""

    def __init__(self) -> None:
        self._texts: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes them
        self._ends: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._end = 0
        self._count = 0
        self.get: Callable[[str], str] = lru_cache(maxsize=4096)(self._get)

    def load(self, archive: Archive, part: str) -> None:
        """Read all texts of a part."""
        reader = TextReader()
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.CharacterDataHandler = reader.characters

        def start(tag: str, _: Attributes) -> None:
            name = tag.rpartition(":")[2]
            if name == "si":
                reader.clear()
            else:
                reader.start(name)

        def end(tag: str) -> None:
            name = tag.rpartition(":")[2]
            if name == "si":
                self._append(reader.text())
            else:
                reader.end(name)

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        for _ in archive.parse(part, parser):
            pass

    def close(self) -> None:
        """Give the disk space back."""
        self._texts.close()
        self._ends.close()

    def _append(self, text: str) -> None:
        self._end += self._texts.write(text.encode())
        self._ends.write(self._end.to_bytes(_OFFSET, "big"))
        self._count += 1

    def _get(self, number: str) -> str:
        index = int(number)
        if not 0 <= index < self._count:
            raise Unreadable("is a damaged Excel workbook: a cell refers to a text that is not there")
        self._ends.seek(max(index - 1, 0) * _OFFSET)
        offsets = self._ends.read(2 * _OFFSET)
        end = int.from_bytes(offsets[:_OFFSET], "big") if index == 0 else int.from_bytes(offsets[_OFFSET:], "big")
        start = 0 if index == 0 else int.from_bytes(offsets[:_OFFSET], "big")
        self._texts.seek(start)
        return self._texts.read(end - start).decode()


class TextReader:
    """Collects the text of a cell: its runs, without the phonetic ones, and not without end."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._is_open = False
        self._is_phonetic = False

    def clear(self) -> None:
        """Begin a new text."""
        self._parts.clear()
        self._length = 0

    def start(self, name: str) -> None:
        """Take the beginning of an element."""
        if name == "rPh":
            self._is_phonetic = True
        self._is_open = name in {"t", "v"} and not self._is_phonetic

    def end(self, name: str) -> None:
        """Take the end of an element."""
        if name == "rPh":
            self._is_phonetic = False
        self._is_open = False

    def characters(self, text: str) -> None:
        """Take text."""
        if self._is_open:
            self._length += len(text)
            if self._length > LONGEST_CELL:
                raise Unreadable("has a cell that is longer than any cell of Excel; is this a file of orders?")
            self._parts.append(text)

    def text(self) -> str:
        """Return the text."""
        text = "".join(self._parts)
        return _ESCAPE.sub(lambda code: chr(int(code[1], 16)), text) if "_x" in text else text
