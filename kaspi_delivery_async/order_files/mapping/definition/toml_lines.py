"""Where the keys of a TOML document stand; `tomllib` does not say."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import cast

Key = tuple[str, ...]

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]].*?)\]\]?\s*(?:#.*)?$")
_ASSIGNED = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.\s-])+?)\s*=""")


def key_lines(text: str) -> dict[Key, int]:
    """Return the line of each table and each key; an array of tables counts from 0."""
    lines: dict[Key, int] = {}
    counts: Counter[Key] = Counter()
    table: Key = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _key(header[2])
            if header[1] == "[[":
                counts[table] += 1
                table = (*table, str(counts[table] - 1))
            lines.setdefault(table, number)
        elif assigned := _ASSIGNED.match(line):
            lines.setdefault((*table, *_key(assigned[1])), number)
    return lines


def _key(text: str) -> Key:
    """Return the parts of a dotted key."""
    try:
        values: object = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return (text,)  # of a line inside a long string
    parts: list[str] = []
    while isinstance(values, dict):
        ((name, values),) = cast("dict[str, object]", values).items()
        parts.append(name)
    return tuple(parts)
