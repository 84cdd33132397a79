"""The client that openapi-python-client makes of our own description, generated when the benchmark runs."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "generated_delivery_client"
DESCRIPTION = Path(__file__).parents[2] / "openapi" / "kaspi-delivery.yaml"


@contextmanager
def generated_client() -> Iterator[str]:
    """Generate the client, let `module` import it, and give the directory in which it is."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory, NAME)
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--overwrite"]
        subprocess.run(
            [*command, "--path", str(DESCRIPTION), "--output-path", str(target)], check=True, capture_output=True
        )
        sys.path.insert(0, directory)
        try:
            yield directory
        finally:
            sys.path.remove(directory)


def module(name: str) -> Any:
    """Import a module of the generated client."""
    return importlib.import_module(f"{NAME}.{name}")
