"""Worlds in which much goes wrong, and what holds in them all the same."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.simulation import runs
from tests.simulation.schedule import Fault, Kind, draw_schedule
from tests.simulation.world import World

PROJECT = Path(__file__).parents[2]

OTHERS = [
    python
    for version in ("3.12", "3.13", "3.14")
    if (python := PROJECT / ".nox" / f"tests-{version}" / "bin" / "python").exists()
]
"""Interpreters of the test runs on other Pythons; before 3.12 tasks begin a turn of the event loop later."""


@pytest.mark.parametrize("first", range(0, 60, 15))
def test_the_invariants_hold_whatever_goes_wrong(first: int) -> None:
    figures = runs.run_seeds(range(first, first + 15))
    assert figures.broken == (), "".join(map(runs.explain, figures.broken[:1]))
    assert figures.requests > 100
    assert figures.webhooks > 100


@pytest.mark.long
def test_the_invariants_hold_in_2000_worlds() -> None:
    figures = sum(runs.run_in_processes(range(2000), jobs=2), runs.Figures())
    assert figures.broken == (), "".join(map(runs.explain, figures.broken[:1]))


@pytest.mark.processes
@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks begin a turn of the event loop later before 3.12")
def test_a_seed_has_the_same_timeline_with_other_hashes_and_on_other_pythons() -> None:
    command = ["-m", "tests.simulation", "--digests", "12"]
    ours = "".join(f"{World(seed).run().digest()}\n" for seed in range(12))
    for python in [sys.executable, *map(str, OTHERS)]:
        environment = {**os.environ, "PYTHONHASHSEED": "7"}
        theirs = subprocess.run(
            [python, *command], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert theirs.stdout == ours, theirs.stderr


def test_every_fault_happens_in_the_first_worlds() -> None:
    happened = {fault.kind for seed in range(200) for fault in draw_schedule(seed)}
    assert happened == set(Kind)


def test_a_broken_invariant_is_shrunk_to_the_faults_that_it_takes() -> None:
    faults = [Fault(at=float(at), kind=kind, seconds=1.0, amount=0.5) for at, kind in enumerate(list(Kind)[:6])]

    def broken(_seed: int, some: Sequence[Fault]) -> list[str]:
        return ["one courier an order"] if {faults[1], faults[4]} <= set(some) else []

    assert runs.shrink(1, faults, broken=broken) == [faults[1], faults[4]]


@pytest.mark.processes
def test_one_command_repeats_a_world() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "3", "--faults", "0"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.splitlines()[-1] == f"digest {World(3, draw_schedule(3)[:1]).run().digest()}"
