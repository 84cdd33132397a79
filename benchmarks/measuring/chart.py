"""Draws one table as a bar chart in SVG, readable on a light and on a dark page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.measuring.rounds import shown

if TYPE_CHECKING:
    from benchmarks.measuring.rounds import Table

WIDTH, LABELS, FIGURES = 720, 200, 150
BAR, GAP, TOP = 22, 12, 44
OURS = "kaspi_delivery_async"

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.bar { fill: #8c959f } .ours { fill: #d1242f } .spread { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .spread { stroke: #e6edf3 } }"""


def draw(table: Table, column: str) -> str:
    """Return the chart of one column: a bar to the median, a line from the lowest to the highest round."""
    place = table.columns.index(column)
    spreads = {name: row[place] for name, row in table.rows.items()}
    scale = (WIDTH - LABELS - FIGURES) / max(spread.highest for spread in spreads.values())
    height = TOP + len(spreads) * (BAR + GAP)
    title = escape(f"{table.title}: {column}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="20">{title}</text>',
    ]
    for number, (name, spread) in enumerate(spreads.items()):
        top = TOP + number * (BAR + GAP)
        middle = top + BAR / 2
        kind = "bar ours" if name == OURS else "bar"
        lowest, highest = (LABELS + end * scale for end in (spread.lowest, spread.highest))
        parts += [
            f'<text x="{LABELS - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{top}" width="{spread.median * scale:.1f}" height="{BAR}"/>',
            f'<line class="spread" x1="{lowest:.1f}" y1="{middle}" x2="{highest:.1f}" y2="{middle}"/>',
            f'<text x="{highest + 8:.1f}" y="{middle + 4:.1f}">{shown(spread.median)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
