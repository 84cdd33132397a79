"""How long it takes to import the package and to show the command's help, each in an interpreter of its own."""

from __future__ import annotations

import compileall
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.measuring.rounds import Table, tabulate

COMMANDS = {
    "python": ("-c", "pass"),
    "import aiohttp": ("-c", "import aiohttp"),
    "import kaspi_delivery_async": ("-c", "import kaspi_delivery_async"),
    "kaspi-delivery --help": ("-m", "kaspi_delivery_async.cli", "--help"),
}


PACKAGE = Path(__file__).parents[2] / "kaspi_delivery_async"


def compile_package() -> None:
    """Compile the package as an installer does, for its sources stand where they are edited."""
    compileall.compile_dir(PACKAGE, quiet=1)


def milliseconds(arguments: tuple[str, ...]) -> tuple[float, ...]:
    """Give the wall and CPU time of a fresh interpreter."""
    children, began = _children_cpu(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000, (_children_cpu() - children) * 1000


def import_table(*, rounds: int) -> Table:
    """Measure every command in turns."""
    compile_package()
    return tabulate(
        "a fresh interpreter",
        ("ms", "CPU ms"),
        {name: partial(milliseconds, arguments) for name, arguments in COMMANDS.items()},
        rounds=rounds,
    )


def _children_cpu() -> float:
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
