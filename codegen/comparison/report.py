"""Reports the differences of two descriptions, for people and for machines."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from codegen.comparison.changes import Change
from codegen.comparison.rules import BREAKING, Impact

Places = Mapping[Change, Sequence[str]]
"""For each change, where it concerns hand-written code: files with their lines."""


NOWHERE: Places = MappingProxyType({})


def is_breaking(changes: Sequence[Change]) -> bool:
    """Return whether any change breaks callers or the wire."""
    return any(change.impacts & BREAKING for change in changes)


def version_bump(changes: Sequence[Change]) -> str:
    """Suggest which part of the package's version to raise: major, minor, patch or none."""
    impacts = {impact for change in changes for impact in change.impacts}
    if impacts & BREAKING:
        return "major"
    if Impact.ADDITIVE in impacts:
        return "minor"
    return "patch" if impacts else "none"


def as_text(changes: Sequence[Change], places: Places = NOWHERE) -> str:
    """Return the changes under the heading of each impact they have, their places, and the suggested version bump."""
    lines: list[str] = []
    for impact in Impact:
        touched = [change for change in changes if impact in change.impacts]
        if touched:
            lines += [f"{impact.value.capitalize()}:"]
            lines += [f"  {_sentence(change)} [{change.rule}]" for change in touched]
            lines += [""]
    if any(places.values()):
        lines += ["Places in hand-written code:"]
        for change, found in places.items():
            if found:
                lines += [f"  {_sentence(change)}:", *(f"    {place}" for place in found)]
        lines += [""]
    lines += [f"Suggested version bump: {version_bump(changes)}"]
    return "\n".join(lines)


def as_json(changes: Sequence[Change], places: Places = NOWHERE) -> str:
    """Return the same as JSON: `bump`, and `changes` with `rule`, `meaning`, `place`, `detail`, `impacts`, `code`."""
    listed = [
        {
            "rule": change.rule,
            "meaning": change.meaning,
            "place": change.place,
            "detail": change.detail,
            "impacts": [impact.value for impact in Impact if impact in change.impacts],
            "code": [*places.get(change, ())],
        }
        for change in changes
    ]
    return json.dumps({"bump": version_bump(changes), "changes": listed}, ensure_ascii=False, indent=2)


def _sentence(change: Change) -> str:
    return f"{change.place}: {change.meaning}" + (f" ({change.detail})" if change.detail else "")
