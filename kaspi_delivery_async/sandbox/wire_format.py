"""JSON in and out: strict, total on hostile input, and with integers of any size."""

import datetime
import json
import re
from collections.abc import Iterable
from typing import cast

import orjson

_DEEPEST = 128

# orjson turns integers beyond 64 bits into floats; no bound is documented, so they must stay what they are.
_LONG_INTEGER = re.compile(rb"\d{19}")


def loads(text: bytes) -> object:
    """Parse one JSON document.

    Raises:
        ValueError: The bytes are not JSON as RFC 8259 has it (bad syntax, not UTF-8, ``NaN``, a lone surrogate), hold
            a number too large for a float, or are nested deeper than 128 levels.

    """
    value: object = orjson.loads(text)
    if text.count(b"[") + text.count(b"{") > _DEEPEST and _is_deeper(value, _DEEPEST):
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    if _LONG_INTEGER.search(text):
        value = json.loads(text)  # what is JSON has been decided by the stricter parser
    return value


def dumps(value: object) -> bytes:
    """Write a value as compact JSON."""
    # orjson hands out a buffer of at least 4 KiB; what is kept for long must not keep that.
    return bytes(memoryview(_write(value, 0)))


def canonical(value: object) -> bytes:
    """Write a value so that two values are written alike exactly if they are the same JSON, types included."""
    return _write(value, orjson.OPT_SORT_KEYS)


def _write(value: object, option: int) -> bytes:
    try:
        return orjson.dumps(value, option=option)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=bool(option)).encode()


def _is_deeper(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [child for container in layer for child in _children(container)]
    return any(isinstance(value, (list, dict)) for value in layer)


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def rfc3339(at: float) -> str:
    """Write a time as the API does, such as ``2024-06-11T10:10:54Z``. Source: CD."""
    return datetime.datetime.fromtimestamp(int(at), datetime.UTC).isoformat()[:-6] + "Z"
