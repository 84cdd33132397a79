"""Guard against slower calls: compares the costs of ours and of others, in the same run, with limits.

Instructions are compared where they can be counted, else CPU times: load on the machine disturbs both sides of such a
ratio, if not always alike. It is run on demand and never by the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from benchmarks.contestants.generated import generated_client
from benchmarks.measuring import instructions
from benchmarks.scenarios import calls
from benchmarks.scenarios.codec import decode_table, encode_table
from benchmarks.scenarios.imports import import_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.measuring.instructions import Work

OURS, GENERATED = "kaspi_delivery_async", "openapi-python-client"
RAW, HAND = "aiohttp, prepared bytes", "aiohttp, hand-written"


@attrs.frozen
class Limit:
    """How much more one may take than the other for the same work."""

    kind: str
    one: str
    other: str
    instructions: float
    cpu: float


# A little above what was measured last; lower them when a call becomes cheaper.
LIMITS = (
    Limit("create", OURS, RAW, instructions=1.10, cpu=1.25),
    Limit("create", OURS, HAND, instructions=0.92, cpu=1.05),
    Limit("create", OURS, GENERATED, instructions=0.185, cpu=0.12),
    Limit("get", OURS, RAW, instructions=1.38, cpu=1.45),
    Limit("get", OURS, HAND, instructions=1.12, cpu=1.20),
    Limit("get", OURS, GENERATED, instructions=0.19, cpu=0.12),
    Limit("decode", OURS, GENERATED, instructions=0.45, cpu=0.50),
    Limit("encode", OURS, GENERATED, instructions=0.29, cpu=0.25),
    Limit("start", "import kaspi_delivery_async", "import aiohttp", instructions=1.20, cpu=1.40),
    Limit("start", "kaspi-delivery --help", "import aiohttp", instructions=1.31, cpu=1.60),
)


@attrs.frozen(kw_only=True)
class Comparison:
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


def comparisons(*, rounds: int, seconds: float) -> Iterator[Comparison]:
    """Count or measure what the limits are about; ``rounds`` and ``seconds`` are of the CPU times."""
    by_count = instructions.available()
    wanted = {(limit.kind, whose): None for limit in LIMITS for whose in (limit.one, limit.other)}
    taken = dict(instructions.counted(wanted)) if by_count else _cpu_times(rounds=rounds, seconds=seconds)
    for limit in LIMITS:
        yield Comparison(
            name=f"{'instructions' if by_count else 'CPU time'} of {limit.kind}, {limit.one} / {limit.other}",
            limit=limit.instructions if by_count else limit.cpu,
            measured=taken[limit.kind, limit.one] / taken[limit.kind, limit.other],
        )


def _cpu_times(*, rounds: int, seconds: float) -> Mapping[Work, float]:
    _, cpu = calls.COLUMNS
    with generated_client():
        create, get = calls.throughput_tables(
            rounds=rounds, seconds=seconds, concurrencies=(32,), loops=("asyncio",), names=(RAW, HAND, OURS, GENERATED)
        )
        tables = {
            "create": create.medians(cpu),
            "get": get.medians(cpu),
            "decode": decode_table(rounds=rounds, seconds=seconds).medians("CPU µs"),
            "encode": encode_table(rounds=rounds, seconds=seconds).medians("CPU µs"),
            "start": import_table(rounds=rounds).medians("CPU ms"),
        }
    return {(kind, whose): figure for kind, figures in tables.items() for whose, figure in figures.items()}
