"""The command line, ``kaspi-delivery``; it needs the extra ``cli``, which the rest of the package does without."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

_NEEDED = ("typer", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``kaspi-delivery`` with ``arguments``, those of the process if None, and return its exit code.

    0 done · 1 failed · 2 wrong usage or settings, nothing was sent · 3 outcome unknown · 130 interrupted ·
    141 the reader of the output has gone.
    """
    if any(find_spec(package) is None for package in _NEEDED):
        sys.stderr.write('kaspi-delivery needs typer and rich: pip install "kaspi-delivery-async[cli]"\n')
        return 1
    from kaspi_delivery_async.cli.app import run

    return run(arguments)
