"""Writes what users have to know of the changes of a description into the changelog."""

from collections.abc import Mapping, Sequence

from codegen.comparison.changes import Change
from codegen.comparison.rules import BREAKING, TEXT

UNRELEASED = "## Unreleased"

HEADINGS = ("Added", "Changed", "Removed")


def section(changes: Sequence[Change]) -> Mapping[str, list[str]]:
    """Return the entries of a changelog by heading; changes of texts are none."""
    entries: dict[str, list[str]] = {heading: [] for heading in HEADINGS}
    for change in changes:
        if change.impacts <= TEXT:
            continue
        breaking = "**Breaking:** " if change.impacts & BREAKING else ""
        detail = f" ({change.detail})" if change.detail else ""
        entries[_heading(change)].append(f"- {breaking}`{change.place}`: {change.meaning}{detail}.")
    return {heading: lines for heading, lines in entries.items() if lines}


def with_section(text: str, changes: Sequence[Change]) -> str:
    """Return a changelog with the changes under `Unreleased`, each once; a heading that is missing is added."""
    before, mark, after = text.partition(f"{UNRELEASED}\n")
    if not mark:
        before, after = f"{text.rstrip()}\n\n" if text else "", ""
    present, cut, older = after.partition("\n## ")
    for heading, lines in section(changes).items():
        new = [line for line in lines if line not in present]
        if not new:
            continue
        if f"### {heading}\n" in present:
            head, _, tail = present.partition(f"### {heading}\n\n")
            listed, gap, rest = tail.partition("\n\n")
            present = f"{head}### {heading}\n\n{listed.rstrip()}\n" + "\n".join(new) + (f"{gap}{rest}" if gap else "\n")
        else:
            present = f"{present.rstrip()}\n\n### {heading}\n\n" + "\n".join(new) + "\n"
    return f"{before}{UNRELEASED}\n\n{present.lstrip()}{cut}{older}"


def _heading(change: Change) -> str:
    if change.rule.endswith("-added") and not change.impacts & BREAKING:
        return "Added"
    return "Removed" if change.rule.endswith("-removed") else "Changed"
