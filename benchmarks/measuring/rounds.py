"""Interleaved rounds: every contestant once in each, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@attrs.frozen(kw_only=True)
class Spread:
    """The rounds of one contestant, in one unit."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum up."""
        return cls(median=statistics.median(values), lowest=min(values), highest=max(values))


@attrs.frozen(kw_only=True)
class Table:
    """What one scenario measured: for each contestant, each figure's spread."""

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[Spread, ...]]

    def medians(self, column: str) -> dict[str, float]:
        """Give one figure of every contestant."""
        place = self.columns.index(column)
        return {name: spreads[place].median for name, spreads in self.rows.items()}

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        return {
            "title": self.title,
            "rows": {
                name: {column: attrs.asdict(spread) for column, spread in zip(self.columns, spreads, strict=True)}
                for name, spreads in self.rows.items()
            },
        }

    def as_text(self) -> str:
        """Draw a Markdown table: medians with the lowest and the highest round."""
        lines = [
            f"### {self.title}",
            "",
            f"| | {' | '.join(self.columns)} |",
            f"| --- |{' ---: |' * len(self.columns)}",
        ]
        for name, spreads in self.rows.items():
            cells = (f"{shown(one.median)} ({shown(one.lowest)} to {shown(one.highest)})" for one in spreads)
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"


def shown(value: float) -> str:
    """Write a figure with three digits, or with all those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def tabulate(
    title: str,
    columns: tuple[str, ...],
    contestants: Mapping[str, Callable[[], tuple[float, ...]]],
    *,
    rounds: int,
) -> Table:
    """Run every contestant once to warm up, then once in each round."""
    for measure in contestants.values():
        measure()
    taken: dict[str, list[tuple[float, ...]]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            taken[name].append(measure())
    return Table(
        title=title,
        columns=columns,
        rows={
            name: tuple(Spread.of(values) for values in zip(*figures, strict=True)) for name, figures in taken.items()
        },
    )


def microseconds(work: Callable[[], object], *, seconds: float) -> tuple[float]:
    """Measure the CPU time of one run of ``work``, which is repeated for ``seconds``."""
    count, began, until = 0, time.process_time(), time.perf_counter() + seconds
    while time.perf_counter() < until:
        for _ in range(100):
            work()
        count += 100
    return ((time.process_time() - began) / count * 1e6,)
