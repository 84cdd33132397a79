"""Reads a text file line by line, in bounded memory, and names the line of whatever is wrong with it."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that are read; a real order has a few hundred."""

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PROBE = "\n\r\t,;\"'{}[]:"


def checked_encoding(name: str) -> str:
    """Return an encoding's name, or raise `ConfigurationError` if it is none in which lines can be told apart."""
    try:
        if codecs.lookup(name).name == "utf-8-sig":
            return "utf-8"  # a mark is looked for anyway
        suitable = _PROBE.encode(name) == _PROBE.encode("ascii")
    except (LookupError, ValueError):
        suitable = False
    if not suitable:
        raise ConfigurationError(
            f"encoding {name!r} is not known, or its lines cannot be told apart; use utf-8, or windows-1251 for a "
            "file that Excel wrote as plain CSV"
        )
    return name


def text_lines(path: Path, encoding: str, *, on_bytes: Callable[[int], None]) -> Iterator[str]:
    """Read the lines of a file, with their ends, without a byte order mark; ``on_bytes`` hears how long each was.

    Raises `InvalidRequestError` that names the file, and the line where there is one.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                on_bytes(len(raw))
                if number == 1:
                    raw = _without_mark(raw, encoding, path)
                if len(raw) > LONGEST_LINE:
                    raise InvalidRequestError(
                        place(path, number), f"is longer than {LONGEST_LINE} bytes; is this a file of orders?"
                    )
                yield _decoded(raw, encoding, path, number)
    except OSError as error:
        raise InvalidRequestError(path.name, f"cannot be read: {error.strerror}") from None


def place(path: Path, line: int) -> str:
    """Name a line."""
    return f"{storable(path.name)}, line {line}"


def _without_mark(raw: bytes, encoding: str, path: Path) -> bytes:
    if raw.startswith(_UTF16_MARKS):
        raise InvalidRequestError(path.name, "is UTF-16 text; save it as CSV UTF-8")
    if raw.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name != "utf-8":
        raise InvalidRequestError(path.name, f"is UTF-8 text, as its first bytes tell, and not {encoding}")
    return raw.removeprefix(codecs.BOM_UTF8)


def _decoded(raw: bytes, encoding: str, path: Path, number: int) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            place(path, number),
            f"is not {encoding} text (byte {error.start + 1}); if Excel wrote the file, its encoding is probably "
            "windows-1251: name it (--encoding), or save the file as CSV UTF-8",
        ) from None
