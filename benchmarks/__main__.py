"""Measures and reports: ``python -m benchmarks [SCENARIO ...]``, all scenarios by default."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import looptime

from benchmarks.contestants.generated import generated_client
from benchmarks.measuring import chart, cores, guard
from benchmarks.measuring.rounds import Table
from benchmarks.scenarios import bulk, calls, codec, imports, memory, waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHARTED = "create, 32 at once, asyncio"
PACKAGES = ("kaspi-delivery-async", "aiohttp", "httpx", "niquests", "openapi-python-client", "msgspec", "uvloop")

Result = Table | memory.Growth | str


def _calls(options: argparse.Namespace) -> Iterator[Result]:
    yield from calls.throughput_tables(rounds=options.rounds, seconds=options.seconds)


def _tail(options: argparse.Namespace) -> Iterator[Result]:
    yield calls.tail_table(rounds=options.rounds, seconds=options.seconds)


def _codec(options: argparse.Namespace) -> Iterator[Result]:
    yield codec.decode_table(rounds=options.rounds, seconds=options.seconds)
    yield codec.encode_table(rounds=options.rounds, seconds=options.seconds)


def _imports(options: argparse.Namespace) -> Iterator[Result]:
    yield imports.import_table(rounds=2 * options.rounds)


def _bulk(options: argparse.Namespace) -> Iterator[Result]:
    yield bulk.journal_table(rounds=options.rounds, orders=5_000)
    yield bulk.rate_limited_table(rounds=options.rounds, orders=2_000)


def _waits(options: argparse.Namespace) -> Iterator[Result]:
    for webhooks in (True, False):
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
            yield runner.run(waits.measure(options.waits, webhooks=webhooks)) + "\n"


def _memory(options: argparse.Namespace) -> Iterator[Result]:
    yield memory.allocation_table(rounds=200)
    yield memory.growth(options.growth_calls)


SCENARIOS: dict[str, Callable[[argparse.Namespace], Iterator[Result]]] = {
    "calls": _calls,
    "tail": _tail,
    "codec": _codec,
    "imports": _imports,
    "bulk": _bulk,
    "waits": _waits,
    "memory": _memory,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=" ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=5, help="rounds, in each of which every contestant runs once")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds of a contestant in a round")
    parser.add_argument("--growth-calls", type=int, default=1_000_000, help="creates while memory is watched")
    parser.add_argument("--waits", type=int, default=10_000, help="deliveries awaited at once")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--svg", type=Path, help=f"draw the chart of '{CHARTED}' there")
    parser.add_argument(
        "--guard", action="store_true", help="only compare with the limits of guard.py; exit 1 if one is exceeded"
    )
    return parser.parse_args()


def _guard(options: argparse.Namespace) -> int:
    found = list(guard.comparisons(rounds=options.rounds, seconds=options.seconds))
    sys.stdout.writelines(one.as_text() for one in found)
    return 0 if all(one.holds for one in found) else 1


def _report(options: argparse.Namespace) -> int:
    if unknown := set(options.scenarios) - set(SCENARIOS):
        sys.stderr.write(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}\n")
        return 2
    cores.take(cores.CLIENTS)
    figures: list[dict[str, Any] | str] = []
    setting = _setting()
    with generated_client():
        for result in (one for name in options.scenarios or SCENARIOS for one in SCENARIOS[name](options)):
            text = result if isinstance(result, str) else result.as_text()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            figures.append(_plain(result))
            if options.svg and isinstance(result, Table) and result.title.startswith(CHARTED):
                options.svg.write_text(chart.draw(result, calls.COLUMNS[0]), encoding="utf-8")
    if options.json:
        options.json.write_text(
            json.dumps({"setting": setting, "results": figures}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return 0


def _setting() -> dict[str, Any]:
    """Say where this is measured, and how busy it is there."""
    versions = {package: version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **versions, "cores": len(cores.ALL), "load average": os.getloadavg()}


def _plain(result: Result) -> dict[str, Any] | str:
    match result:
        case Table():
            return result.as_dict()
        case memory.Growth():
            return attrs.asdict(result)
        case str():
            return result.strip()


def main() -> int:
    """Measure what the command line asks for."""
    options = _arguments()
    return _guard(options) if options.guard else _report(options)


if __name__ == "__main__":
    sys.exit(main())
