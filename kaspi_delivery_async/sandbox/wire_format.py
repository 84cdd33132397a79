"""JSON in and out: strict, total on hostile input, and with integers of any size."""

import datetime
import json
import random
import re
from collections.abc import Iterable
from typing import cast

import orjson

_DEEPEST = 128

LATEST = 253_402_300_799.0
"""The last second of the year 9999, in Unix time: what comes later cannot be written."""

_GAPS = ("", " ", "  ", "\n", "\t", "\n    ", "\r\n")
_LONGEST_TO_VARY = 1000  # characters; longer texts are written plainly, because varying them takes its time

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


def dumps_irregularly(value: object, *, seed: str) -> bytes:
    """Write a value as JSON that no other writer gives back byte for byte: blanks and escapes come and go.

    A receiver that checks a signature must do so over the bytes that came. One that parses them and writes them again
    finds out here.
    """
    return _irregular(value, random.Random(seed)).encode()


def _irregular(value: object, draw: random.Random) -> str:
    if isinstance(value, dict):
        members = [
            f"{draw.choice(_GAPS)}{json.dumps(name)}{draw.choice(_GAPS)}:{draw.choice(_GAPS)}{_irregular(member, draw)}"
            for name, member in cast("dict[str, object]", value).items()
        ]
        return "{" + ",".join(members) + draw.choice(_GAPS) + "}"
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_TO_VARY:
        characters = [_escaped(each) if draw.random() < 1 / 16 else _plain(each) for each in value]
        return f'"{_escaped(value[0])}{"".join(characters[1:])}"'
    return json.dumps(value, ensure_ascii=False)


def _escaped(character: str) -> str:
    plain = json.dumps(character)[1:-1]
    return plain if plain[0] == "\\" else f"\\u{ord(character):04x}"


def _plain(character: str) -> str:
    return json.dumps(character, ensure_ascii=False)[1:-1]


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
    return datetime.datetime.fromtimestamp(int(min(at, LATEST)), datetime.UTC).isoformat()[:-6] + "Z"
