"""Compares the models file with what it should be, and replaces it in one step."""

import difflib
import os
import tempfile
from pathlib import Path


def drift(path: Path, wanted: str) -> str:
    """Return the unified diff from the file to the wanted text; empty if they are equal. A missing file is empty."""
    present = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        present.splitlines(keepends=True),
        wanted.splitlines(keepends=True),
        f"{path.name} (present)",
        f"{path.name} (wanted)",
    )
    return "".join(lines)


def write(path: Path, text: str) -> None:
    """Replace the file's contents, so that at any moment it is either the old one or the new one."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise
