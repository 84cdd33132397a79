"""Draws what the client held in the month, as SVG that is readable on a light and on a dark page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.month.run import Sample

WIDTH, LEFT, RIGHT = 720, 0, 70
PANEL, TITLE, GAP = 70, 26, 18

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
path { fill: none; stroke: #d1242f; stroke-width: 1.2 } line { stroke: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } path { stroke: #ff7b72 } }"""


def draw(samples: Sequence[Sample]) -> str:
    """Return one panel for each figure, from the first day to the last."""
    days = samples[-1].day
    panels: dict[str, list[float]] = {
        "open connections": [sample.connections for sample in samples],
        "host name look-ups in six hours": [sample.lookups for sample in samples],
        "resident memory, MiB": [sample.memory for sample in samples],
    }
    height = len(panels) * (TITLE + PANEL + GAP)
    label = "What a client holds in a virtual month"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
    ]
    for number, (title, values) in enumerate(panels.items()):
        top = number * (TITLE + PANEL + GAP) + TITLE
        bottom, highest = top + PANEL, max(values) or 1
        points = [
            (LEFT + (WIDTH - LEFT - RIGHT) * sample.day / days, bottom - PANEL * value / highest)
            for sample, value in zip(samples, values, strict=True)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts += [
            f'<text class="title" x="{LEFT}" y="{top - 8}">{title}</text>',
            f'<line x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>',
            f'<path d="M{path}"/>',
            f'<text x="{WIDTH - RIGHT + 6}" y="{top + 10}">max. {highest:.0f}</text>',
            f'<text x="{WIDTH - RIGHT + 6}" y="{bottom}">end {values[-1]:.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
