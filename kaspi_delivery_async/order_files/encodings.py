"""The encoding of an order file: named by the caller, or found while its lines are read."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

_PROBE = "\n\r\t,;\"'{}[]:"
_UTF_16 = {"utf-16": "utf-16", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be"}

_NO_1251 = re.compile("[^\x00-\x7fА-яЁёІі«»„“”‘’‚‹›№–—…•·°±§©®™\N{NO-BREAK SPACE}\N{SOFT HYPHEN}€¦¬¶†‡‰]")
"""What text in Windows-1251 hardly ever has in Kazakhstan: mostly, the file is in another encoding."""


def checked_encoding(name: str | None) -> str | None:
    """Return an encoding's name, or raise `ConfigurationError` unless it is UTF-16 or extends ASCII."""
    if name is None:
        return None
    try:
        known = codecs.lookup(name).name
        if known == "utf-8-sig":
            return "utf-8"  # which skips a mark, too
        suitable = known in _UTF_16 or _PROBE.encode(name) == _PROBE.encode("ascii")
    except (LookupError, ValueError):
        suitable = False
    if not suitable:
        raise ConfigurationError(
            f"encoding {name!r} is unknown or does not extend ASCII; use utf-8, or windows-1251 for plain CSV from "
            "Excel"
        )
    return name


def _utf_16_of(beginning: bytes, encoding: str | None) -> str | None:
    """Return the kind of UTF-16 that a file is in, from its first bytes, or None."""
    if encoding is not None and codecs.lookup(encoding).name in _UTF_16:
        return encoding
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = beginning[:64:2], beginning[1:64:2]
    if second and not second.strip(b"\0\x04") and first.strip(b"\0"):
        return "utf-16-le"
    if first and not first.strip(b"\0\x04") and second.strip(b"\0"):
        return "utf-16-be"
    return None


class LineDecoder:
    """Decodes the lines of a file, each by itself.

    Without a named encoding it is UTF-8, unless the first line that is not plain ASCII shows that it is Windows-1251.
    """

    def __init__(self, encoding: str | None, place: Callable[[int], str]) -> None:
        self._encoding = encoding or "utf-8"
        self._place = place
        self._is_open = encoding is None
        self._is_1251 = False

    def begin(self, beginning: bytes, name: str) -> str | None:
        """Take the first bytes; return the kind of UTF-16 that they are in, whose lines are to be given in UTF-8."""
        encoding = None if self._is_open else self._encoding
        kind = _utf_16_of(beginning, encoding)
        is_named = kind is not None and kind == encoding
        if kind is not None and encoding is not None and not is_named:
            raise InvalidRequestError(name, f"is UTF-16 text, as its first bytes show, not {encoding}")
        if beginning.startswith(codecs.BOM_UTF8) and codecs.lookup(self._encoding).name != "utf-8":
            raise InvalidRequestError(name, f"is UTF-8 text, as its first bytes show, not {encoding}")
        if kind is not None:
            self._encoding = "utf-8"
        if kind is not None or beginning.startswith(codecs.BOM_UTF8):
            self._is_open = False
        return kind

    def decode(self, raw: bytes, number: int) -> str:
        """Return a line as text; raises `InvalidRequestError` with its number."""
        if self._is_open and raw.isascii():
            return raw.decode("ascii")
        if self._is_1251:
            return self._as_1251(raw, number)
        encoding = self._encoding
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            if self._is_open:
                self._is_1251 = True
                self._is_open = False
                return self._as_1251(raw, number)
            raise InvalidRequestError(
                self._place(number),
                f"is not {encoding} text (byte {error.start + 1}); if the file is from Excel, its encoding is probably "
                "windows-1251: name it (--encoding), or save the file as CSV UTF-8",
            ) from None
        self._is_open = False
        return text

    def _as_1251(self, raw: bytes, number: int) -> str:
        try:
            text = raw.decode("windows-1251")
        except UnicodeDecodeError:
            text = "\N{REPLACEMENT CHARACTER}"
        if _NO_1251.sub("", text) != text:
            raise InvalidRequestError(
                self._place(number),
                "its encoding cannot be found out: it is not UTF-8, and may be windows-1251, kz1048 or cp866; name it "
                "(--encoding), or save the file as CSV UTF-8",
            )
        return text
