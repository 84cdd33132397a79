"""Bodies of webhook requests: content encodings, within a bound."""

from __future__ import annotations

import zlib

LARGEST_BODY = 64 * 1024
"""Bytes, decoded; the documented events have a few hundred."""

_PLAIN = {"", "identity"}

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""The ``wbits`` argument of zlib for each encoding."""


class BrokenBodyError(Exception):
    """A body is not encoded as its ``Content-Encoding`` says."""


class BodyTooLargeError(Exception):
    """A body is larger than `LARGEST_BODY`."""


def is_supported(encoding: str) -> bool:
    """Whether a ``Content-Encoding`` can be decoded."""
    return encoding.strip().lower() in _PLAIN | _WINDOWS.keys()


def decode_body(body: bytes, encoding: str) -> bytes:
    """Decode a body; raises `BrokenBodyError` and `BodyTooLargeError`."""
    name = encoding.strip().lower()
    if name in _PLAIN:
        return body
    window = _WINDOWS[name]
    if name == "deflate" and (body[:1] or b"\0")[0] & 0x0F != zlib.DEFLATED:
        window = -15  # some senders leave zlib's header out
    decoder = zlib.decompressobj(window)
    try:
        decoded = decoder.decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        raise BrokenBodyError from None
    if len(decoded) > LARGEST_BODY:
        raise BodyTooLargeError
    if not decoder.eof or decoder.unused_data:
        raise BrokenBodyError
    return decoded
