"""Counts the instructions of pieces of work, which load on the machine does not change.

``python -m benchmarks.measuring.instructions [--only NAME ...]``; NAME is part of a work's name, such as
``create: kaspi``.
A work runs in two interpreters, not at all and many times after the same warming up, and the difference is divided; a
start is counted whole. The counter is valgrind's cachegrind.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants.generated import generated_client
from benchmarks.scenarios.imports import COMMANDS, compile_package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Work = tuple[str, str]
    """What is done, and by whom."""

TIMES = 400
# Unless none writes what it compiles, one run of a pair may find what the other has compiled.
SAME_FOR_ALL = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
START = "start"
WORKS: tuple[Work, ...] = (
    *product(
        ("create", "get"),
        (
            "bare asyncio protocol",
            "aiohttp, prepared bytes",
            "aiohttp, hand-written",
            "kaspi_delivery_async",
            "openapi-python-client",
        ),
    ),
    *product(("decode", "encode"), ("msgspec", "kaspi_delivery_async", "openapi-python-client")),
    *product((START,), COMMANDS),
)


def available() -> bool:
    """Whether instructions can be counted here."""
    return shutil.which("valgrind") is not None


def counted(works: Iterable[Work]) -> Iterator[tuple[Work, float]]:
    """Count each work, as many at once as there are cores."""
    with generated_client() as directory, ThreadPoolExecutor(os.cpu_count()) as pool:
        compile_package()
        counting = [
            (work, [pool.submit(_instructions, arguments, directory) for arguments in _runs(work)]) for work in works
        ]
        for work, counts in counting:
            many, *none = (count.result() for count in counts)
            yield work, (many - none[0]) / TIMES if none else many


def _runs(work: Work) -> list[Sequence[str]]:
    kind, whose = work
    if kind == START:
        return [COMMANDS[whose]]
    return [("-m", "benchmarks.measuring.repeated_work", kind, whose, str(times)) for times in (TIMES, 0)]


def _instructions(arguments: Sequence[str], path: str) -> int:
    """Count the instructions of an interpreter, from its start to its end."""
    with tempfile.TemporaryDirectory() as directory:
        counts = Path(directory, "counts")
        options = ("--cache-sim=no", f"--cachegrind-out-file={counts}", "--log-file=/dev/null")
        subprocess.run(
            ["valgrind", "--tool=cachegrind", *options, sys.executable, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **SAME_FOR_ALL, "PYTHONPATH": path},
        )
        found = re.search(r"^summary: (\d+)", counts.read_text(), re.MULTILINE)
        assert found
        return int(found[1])


def main() -> None:
    """Count what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.measuring.instructions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[""], help="count the works that are named so")
    only = parser.parse_args().only
    wanted = [work for work in WORKS if any(part in ": ".join(work) for part in only)]
    for work, count in counted(wanted):
        sys.stdout.write(f"{': '.join(work):40} {count:>15,.0f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
