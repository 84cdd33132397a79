"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from pathlib import Path

BEGINNING = 1024
"""Bytes that are looked at."""

_ARCHIVE = b"PK\x03\x04"
_OLD_OFFICE = b"\xd0\xcf\x11\xe0"
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"
_WEB_PAGE = re.compile(rb"\s*<(?:!doctype\s+html|html|head|meta|table|style|div)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\b")


def is_workbook(beginning: bytes, path: Path) -> bool:
    """Whether a file is an Excel workbook that can be read; raises `InvalidRequestError` for one of another kind."""
    if beginning.startswith(_OLD_OFFICE):
        raise _refusal(
            path, "is an old Excel workbook (.xls), or one with a password; save it as .xlsx without a password"
        )
    if beginning.startswith(_ARCHIVE) and _OPEN_DOCUMENT in beginning:
        raise _refusal(path, "is an OpenDocument sheet (.ods); save it as .xlsx or CSV UTF-8")
    text = beginning.removeprefix(b"\xef\xbb\xbf")
    if _WEB_PAGE.match(text):
        raise _refusal(path, "is a web page, whatever its name says; open it in Excel and save it as .xlsx")
    if _XML.match(text):
        raise _refusal(path, "is an XML document; open it in Excel and save it as .xlsx")
    return beginning.startswith(_ARCHIVE)


def _refusal(path: Path, problem: str) -> InvalidRequestError:
    return InvalidRequestError(storable(path.name), problem)
