"""Reads one order from a JSON file or from standard input."""

import errno
import sys
from pathlib import Path

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.models import DeliveryRequest, checked_order, from_json

LARGEST_ORDER = 1024 * 1024
"""Bytes of an order that are read; a real one has a few hundred."""


def read_order(source: str) -> DeliveryRequest:
    """Read the order in the file ``source``, or from standard input if that is ``-``.

    Raises `InvalidRequestError` that names the file, the place in it, and what to do.
    """
    name = "standard input" if source == "-" else f"order file {source!r}"
    try:
        raw = _read(source)
    except FileNotFoundError:
        raise InvalidRequestError(
            name, "there is no such file; give the path of an order, or - to pipe it in"
        ) from None
    except IsADirectoryError:
        raise InvalidRequestError(name, "is a directory; give the path of one order's JSON file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the path contains a forbidden character"
        raise InvalidRequestError(name, f"cannot be read: {reason}") from None
    if len(raw) > LARGEST_ORDER:
        raise InvalidRequestError(name, f"is larger than {LARGEST_ORDER} bytes; give a file with one order")
    try:
        text = raw.decode("utf-8-sig")  # editors on Windows put a mark in front
    except UnicodeDecodeError as error:
        raise InvalidRequestError(name, f"is not UTF-8 text (byte {error.start + 1}); save it as UTF-8") from None
    try:
        return checked_order(from_json(DeliveryRequest, text))
    except InvalidRequestError as error:
        raise InvalidRequestError(name, f"{error}; `kaspi-delivery create --help` shows a complete order") from None


def _read(source: str) -> bytes:
    if source == "-":
        if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - as `<&-` in a shell leaves it
            raise OSError(errno.EBADF, "it is closed")
        return sys.stdin.buffer.read(LARGEST_ORDER + 1)
    with Path(source).open("rb") as file:
        return file.read(LARGEST_ORDER + 1)
