"""Compares the public API with the recorded one: ``python -m tests.release.api`` fails on what would break a caller.

``--record`` records it, as the stubs of the whole package in one file: with each release, and for a break that the
changelog lists.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import griffe

PACKAGE = "kaspi_delivery_async"
ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("api.txt")
HEADING = "#### "
PUBLIC = (
    "", "bulk", "client", "errors", "instrumentation", "models", "operations", "options", "order_files", "otel",
    "pytest_plugin", "response", "sandbox", "status", "tracking", "webhooks",
)  # fmt: skip


def record() -> None:
    """Write the stubs of the package, without those of its commands."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["stubgen", "--quiet", "--package", PACKAGE, "--output", scratch], cwd=ROOT, check=True)
        shutil.rmtree(Path(scratch, PACKAGE, "cli"))
        stubs = sorted(Path(scratch).rglob("*.pyi"))
        RECORD.write_text(
            "".join(f"{HEADING}{stub.relative_to(scratch)}\n{stub.read_text(encoding='utf-8')}" for stub in stubs),
            encoding="utf-8",
        )


def breaks(recorded: str, tree: Path) -> Iterator[str]:
    """Report what callers of the recorded API would miss in ``tree``."""
    with tempfile.TemporaryDirectory() as scratch:
        parts = re.split(rf"^{HEADING}(.+)\n", recorded, flags=re.MULTILINE)
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            stub = Path(scratch, name)
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text(text, encoding="utf-8")
        old = griffe.load(PACKAGE, search_paths=[scratch], try_relative_path=False)
        new = griffe.load(PACKAGE, search_paths=[tree], try_relative_path=False)
        public = exported(old)
        for breakage in griffe.find_breaking_changes(old, new):
            # A stub leaves out the values of defaults that are no literals.
            unknown = (
                breakage.kind is griffe.BreakageKind.PARAMETER_CHANGED_DEFAULT
                and str(breakage.old_value.default) == "..."
            )
            if not unknown and breakage.obj.canonical_path.startswith(public):
                path = breakage.obj.canonical_path
                yield f"{path}: {griffe_text(breakage)}"


def griffe_text(breakage: griffe.Breakage) -> str:
    """Return griffe's own words about a break, without colours and places."""
    line = breakage.explain(griffe.ExplanationStyle.ONE_LINE)
    return re.sub(r"\x1b\[\d+m", "", line).partition(": ")[2]


def exported(package: griffe.Object | griffe.Alias) -> tuple[str, ...]:
    """Return the full names of what users import, by the modules that they import it from and those that define it."""
    names: set[str] = set()
    for name in PUBLIC:
        module = package[name] if name else package
        defined = [name for name, member in module.members.items() if name[0] != "_" and not member.is_alias]
        for member in map(str, module.exports or defined):
            names.add(f"{module.path}.{member}")
            if member in module.members and not module[member].is_module:
                names.add(module[member].canonical_path)
    return tuple(names)


def main(arguments: list[str]) -> int:
    """Record the API, or print every break; the exit code is 1 if there is one."""
    if arguments == ["--record"]:
        record()
        return 0
    found = list(breaks(RECORD.read_text(encoding="utf-8"), ROOT))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
