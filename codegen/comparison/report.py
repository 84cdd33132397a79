"""Reports the differences of two descriptions, for people and for machines."""

import json
from collections.abc import Sequence

from codegen.comparison.changes import Change
from codegen.comparison.rules import BREAKING, Impact


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


def as_text(changes: Sequence[Change]) -> str:
    """Return the changes under the heading of each impact they have, and the suggested version bump."""
    lines: list[str] = []
    for impact in Impact:
        touched = [change for change in changes if impact in change.impacts]
        if touched:
            lines += [f"{impact.value.capitalize()}:"]
            lines += [f"  {_sentence(change)} [{change.rule}]" for change in touched]
            lines += [""]
    lines += [f"Suggested version bump: {version_bump(changes)}"]
    return "\n".join(lines)


def as_json(changes: Sequence[Change]) -> str:
    """Return the same as JSON: `bump`, and `changes` with `rule`, `meaning`, `place`, `detail` and `impacts`."""
    listed = [
        {
            "rule": change.rule,
            "meaning": change.meaning,
            "place": change.place,
            "detail": change.detail,
            "impacts": [impact.value for impact in Impact if impact in change.impacts],
        }
        for change in changes
    ]
    return json.dumps({"bump": version_bump(changes), "changes": listed}, ensure_ascii=False, indent=2)


def _sentence(change: Change) -> str:
    return f"{change.place}: {change.meaning}" + (f" ({change.detail})" if change.detail else "")
