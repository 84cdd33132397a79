"""Run a virtual month, say whether the client's promises held, and draw what it held open."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.month import chart
from benchmarks.month.run import run


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.month", description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--orders", type=int, default=50_000, help="about half of the calls")
    parser.add_argument("--rounds", type=int, default=4, help="how often everything happens")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--svg", type=Path, help="draw connections, look-ups and memory there")
    options = parser.parse_args()
    report = run(days=options.days, orders=options.orders, rounds=options.rounds, seed=options.seed)
    sys.stdout.write(report.as_text() + "\n")
    if options.svg is not None:
        options.svg.write_text(chart.draw(report.samples), encoding="utf-8")
    broken = report.broken_promises()
    sys.stdout.writelines(f"NOT KEPT: {promise}\n" for promise in broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
