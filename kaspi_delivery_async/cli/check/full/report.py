"""The checklist as a table, as JSON, and as a Markdown page to hand in."""

import datetime
from collections.abc import Iterable, Sequence
from itertools import groupby

import attrs
from rich.text import Text

from kaspi_delivery_async.cli.check.full.items import Confirmation, ItemResult, ItemStatus
from kaspi_delivery_async.cli.output import printable

_STYLES = {ItemStatus.OK: "green", ItemStatus.OPEN: "yellow", ItemStatus.FAILED: "red"}
_MARKS = {ItemStatus.OK: "✓ met", ItemStatus.OPEN: "open", ItemStatus.FAILED: "✗ not met"}


def values(result: ItemResult) -> dict[str, object]:
    """Describe an item for programs."""
    return {
        "item": result.item.number,
        "group": result.item.group,
        "title": result.item.title,
        "result": result.status,
        "found": [{"good": each.is_good, "text": each.text} for each in result.evidence],
        "question": result.item.question or None,
        "confirmed": None if result.confirmation is None else attrs.asdict(result.confirmation),
    }


def row(result: ItemResult) -> Text:
    """Describe an item for people."""
    title = f"{result.item.number:>2}  {result.item.title}"
    lines = [Text(f"            {printable(line)}", style="dim") for line in _lines(result)]
    return Text("\n").join([Text.assemble((f"{result.status:<8}", _STYLES[result.status]), title), *lines])


def conclusion(results: Sequence[ItemResult]) -> str:
    """Sum up."""
    counts = {status: sum(result.status is status for result in results) for status in ItemStatus}
    ok, still_open, failed = counts[ItemStatus.OK], counts[ItemStatus.OPEN], counts[ItemStatus.FAILED]
    return f"{ok} of {len(results)} items are met, {still_open} open, {failed} not met"


def markdown(results: Sequence[ItemResult], *, base_url: str, today: datetime.date) -> str:
    """Write the page to hand in."""
    about = f"{today.isoformat()}, for {_cell(base_url)}: {conclusion(results)}."
    lines = ["# Go-live checklist: Kaspi Delivery API", "", about]
    for group, members in groupby(results, key=lambda result: result.item.group):
        lines += ["", f"## {group}", "", "| | item | result | shown by |", "| ---: | --- | --- | --- |"]
        for each in members:
            shown = "<br>".join(map(_cell, _lines(each)))
            lines.append(f"| {each.item.number} | {each.item.title} | {_MARKS[each.status]} | {shown} |")
    return "\n".join([*lines, ""])


def _lines(result: ItemResult) -> Iterable[str]:
    yield from (each.text for each in result.evidence)
    if result.confirmation is not None:
        yield _confirmed(result.confirmation)
    elif result.item.question:
        yield f"to be confirmed: {result.item.question}"


def _confirmed(confirmation: Confirmation) -> str:
    said = "confirmed" if confirmation.is_met else "denied"
    note = f": {confirmation.note}" if confirmation.note else ""
    return f"{said} by {confirmation.by} on {confirmation.on}{note}"


def _cell(text: str) -> str:
    """Write a text into a cell of a table, as text: no markup, no line break."""
    return "".join(f"\\{each}" if each in "\\`*_[]<>|#" else each for each in printable(text))
