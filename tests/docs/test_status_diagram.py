"""The diagram in the docs is the table in the code."""

import re
from pathlib import Path

from kaspi_delivery_async.status import MOVES, SEQUENCE, TERMINAL, rank

PAGE = Path(__file__).parents[2] / "docs" / "tracking.md"


def diagram() -> str:
    """Draw the table of moves."""
    moves = [(status, following) for status in MOVES for following in sorted(MOVES[status], key=rank)]
    arrows = [("[*]", SEQUENCE[0]), *moves, *((status, "[*]") for status in MOVES if status in TERMINAL)]
    return "\n".join(["stateDiagram-v2", *(f"    {start} --> {end}" for start, end in arrows)])


def test_the_documented_diagram_is_drawn_from_the_table() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", PAGE.read_text(), re.DOTALL)

    assert drawn == [diagram()]
