"""Tells whether a call has become dearer: ratios of CPU time in one run, against the limits that the project set.

Load on the machine disturbs both sides of a ratio alike, so this holds where absolute times do not.
It is run on demand and never by the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from benchmarks.calls import COLUMNS, throughput_tables
from benchmarks.codec import decode_table, encode_table
from benchmarks.imports import import_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.rounds import Table

RATE, CPU = COLUMNS
OURS, RAW, HAND = "kaspi_delivery_async", "aiohttp, prepared bytes", "aiohttp, hand-written"
GENERATED = "openapi-python-client"


@attrs.frozen(kw_only=True)
class Verdict:
    """One limit, and what was measured."""

    name: str
    limit: float
    measured: float

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.measured <= self.limit

    def as_text(self) -> str:
        """Say it in a line."""
        return f"{'ok  ' if self.holds else 'OVER'} {self.name}: {self.measured:.2f} (limit {self.limit:.2f})\n"


def verdicts(*, rounds: int, seconds: float) -> Iterable[Verdict]:
    """Measure what the limits are about."""
    for table in throughput_tables(
        rounds=rounds, seconds=seconds, concurrencies=(32,), loops=("asyncio",), names=(RAW, HAND, OURS)
    ):
        yield _verdict(table, "CPU beside prepared bytes", OURS, RAW, CPU, limit=1.40)
        yield _verdict(table, "CPU beside hand-written aiohttp", OURS, HAND, CPU, limit=1.20)
    yield _verdict(decode_table(rounds=rounds, seconds=seconds), "CPU", OURS, GENERATED, "CPU µs", limit=0.75)
    yield _verdict(encode_table(rounds=rounds, seconds=seconds), "CPU", OURS, GENERATED, "CPU µs", limit=0.25)
    imports = import_table(rounds=rounds)
    yield _verdict(imports, "CPU", "import kaspi_delivery_async", "import aiohttp", "CPU ms", limit=1.25)
    yield _verdict(imports, "CPU", "kaspi-delivery --help", "import aiohttp", "CPU ms", limit=2.0)


def _verdict(table: Table, what: str, one: str, other: str, column: str, *, limit: float) -> Verdict:
    return Verdict(
        name=f"{table.title}: {what}, {one} / {other}", limit=limit, measured=table.ratio(one, other, column)
    )
