"""Bodies of messages: content encodings, the byte order mark, JSON."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

from kaspi_delivery_async._wire.conversion.thorough import ConversionError
from kaspi_delivery_async._wire.headers import header

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of an unpacked body. No response of this API comes near."""

_MARK = b"\xef\xbb\xbf"
_MOST_LAYERS = 3
"""Content encodings that are undone, and members of a gzip file that are read."""

# What `zlib` calls the formats. Some servers send deflate without its header.
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


def load_body(headers: Mapping[str, str], body: bytes) -> Any:
    """Return the values of a JSON body, unpacked as its headers say, or raise `ConversionError`."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return load_json(unpack(headers, body))


def load_json(text: bytes | str) -> Any:
    """Return the values of a JSON text, or raise `ConversionError`; a byte order mark in front is skipped."""
    try:
        return orjson.loads(text.removeprefix(_MARK) if isinstance(text, bytes) else text.removeprefix("\N{BOM}"))
    except orjson.JSONDecodeError as error:
        raise ConversionError([("$", _not_utf8(text) or f"not JSON: {error}")]) from None


def unpack(headers: Mapping[str, str], body: bytes) -> bytes:
    """Undo the content encodings that the headers name, or raise `ConversionError`."""
    names = [name.strip().lower() for name in header(headers, "Content-Encoding").split(",")]
    encodings = [name for name in names if name not in {"", "identity"}]
    if len(encodings) > _MOST_LAYERS or not set(encodings) <= _WINDOWS.keys():
        raise ConversionError([("$", "has a content encoding other than gzip and deflate")])
    for encoding in reversed(encodings):
        body = _unpacked(body, encoding)
    return body


def _unpacked(body: bytes, encoding: str) -> bytes:
    for window in _WINDOWS[encoding]:
        try:
            return _inflated(body, window)
        except zlib.error:
            continue
    raise ConversionError([("$", f"is no valid {encoding}, which its content encoding says it is")])


def _inflated(body: bytes, window: int) -> bytes:
    inflated = bytearray()
    for _ in range(_MOST_LAYERS):
        stream = zlib.decompressobj(window)
        inflated += stream.decompress(body, LARGEST_BODY + 1 - len(inflated))
        if len(inflated) > LARGEST_BODY:
            raise ConversionError([("$", f"is larger than {LARGEST_BODY} bytes when unpacked")])
        body = stream.unused_data
        if not body:
            return bytes(inflated)
    raise ConversionError([("$", f"is packed in more than {_MOST_LAYERS} pieces")])


def _not_utf8(text: bytes | str) -> str | None:
    if isinstance(text, bytes):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            return f"not UTF-8 text (byte {error.start + 1})"
    return None
