"""Run seeds of the simulation, or one of them with its timeline."""

from __future__ import annotations

import argparse
import os
import sys

from tests.simulation.runs import Figures, explain, run_in_processes, run_with
from tests.simulation.schedule import draw_schedule
from tests.simulation.world import World


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="run this one, and show its timeline")
    parser.add_argument("--faults", help="with --seed: the numbers of the faults that happen, such as 0,3")
    parser.add_argument("--digests", type=int, help="print the digests of so many timelines, and nothing else")
    options = parser.parse_args()
    if options.digests is not None:
        sys.stdout.writelines(f"{World(seed).run().digest()}\n" for seed in range(options.digests))
        return 0
    if options.seed is not None:
        return _show(options.seed, options.faults)
    figures = Figures()
    for batch in run_in_processes(range(options.first, options.first + options.seeds), jobs=options.jobs):
        figures += batch
        sys.stderr.write(f"\r{figures.seeds:,} seeds, {len(figures.broken)} broken")
    sys.stderr.write("\n")
    for seed in figures.broken[:3]:
        sys.stdout.write(explain(seed) + "\n\n")
    sys.stdout.write(f"{figures}{f': {figures.broken[:20]}' if figures.broken else ''}\n")
    return 1 if figures.broken else 0


def _show(seed: int, numbers: str | None) -> int:
    drawn = draw_schedule(seed)
    faults = drawn if numbers is None else [drawn[int(number)] for number in numbers.split(",") if number]
    world = run_with(seed, faults)
    sys.stdout.write("\n".join([*world.lines(), f"digest {world.digest()}", ""]))
    sys.stdout.writelines(f"NOT KEPT: {invariant}: {what}\n" for invariant, what in world.violations)
    return 1 if world.violations else 0


if __name__ == "__main__":
    sys.exit(main())
