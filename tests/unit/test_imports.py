"""Imports run one way, and the package needs none of its extras."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kaspi_delivery_async

PACKAGE = Path(kaspi_delivery_async.__file__).parent
NAME = "kaspi_delivery_async"

LAYERS = [
    {"_version", "errors", "_open_enum", "_core.quick", "_core.deadlines"},
    {"_generated"},
    {"instrumentation", "options", "_core.converter", "_core.idempotency", "_core.credentials"},
    {"models", "_core.answers", "_core.pace", "_core.sessions", "_core.retry"},
    {"status", "operations", "webhook_verifier", "_core.limiter", "_core.transport"},
    {"_core.call"},
    {"_core.engine", "tracking", "_sqlite", "_postgresql", "_group_commit"},
    {"_database"},
    {"webhooks", "client", "otel"},
    {"sandbox"},
    {"", "bulk"},
    {"pytest_plugin", "cli"},
]
"""Who may import whom: only what stands in an earlier line, or in the same one."""

EXTRAS = {"typer", "rich", "sqlalchemy", "asyncpg", "distributed", "opentelemetry", "django", "pytest"}


def modules() -> list[tuple[str, Path]]:
    return [
        (".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix("."), path)
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def imports(path: Path) -> set[str]:
    """Every module of this package that a file imports at run time, relative to the package."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body.clear()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            is_package = (PACKAGE.parent / node.module.replace(".", "/")).is_dir()
            found |= {f"{node.module}.{alias.name}" if is_package else node.module for alias in node.names}
    return {name.removeprefix(NAME).lstrip(".") for name in found if name.split(".")[0] == NAME}


def layer(module: str) -> int:
    candidates = [
        (len(name), height)
        for height, names in enumerate(LAYERS)
        for name in names
        if module == name or (name and module.startswith(f"{name}."))
    ]
    # A name that a package re-exports, such as `DeliveryClient`, belongs to the package itself.
    return max(candidates)[1] if candidates else next(i for i, names in enumerate(LAYERS) if "" in names)


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_only_what_lies_below_it(module: str, path: Path) -> None:
    above = {imported for imported in imports(path) if layer(imported) > layer(module)}
    assert above == set()


def test_the_sandbox_shares_nothing_with_the_client() -> None:
    """Both sides would share one bug."""
    for module, path in modules():
        if module.split(".")[0] == "sandbox":
            assert {name for name in imports(path) if name.split(".")[0] != "sandbox"} == set()


def test_webhooks_know_neither_client_nor_aiohttp() -> None:
    for module, path in modules():
        if module.startswith("webhooks") and not module.endswith((".aiohttp", ".asgi", ".django")):
            assert not imports(path) & {"client", "_core.engine", "_core.transport", "operations"}
            assert "import aiohttp" not in path.read_text()


def test_the_package_works_without_its_extras() -> None:
    code = (
        "import sys, builtins\n"
        f"blocked = {EXTRAS!r}\n"
        "real = builtins.__import__\n"
        "def guard(name, *rest):\n"
        "    if name.split('.')[0] in blocked: raise ImportError(name)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = guard\n"
        "import kaspi_delivery_async, kaspi_delivery_async.webhooks, kaspi_delivery_async.sandbox\n"
        "kaspi_delivery_async.DeliveryClient('key')\n"
        "try: import kaspi_delivery_async.otel\n"
        "except kaspi_delivery_async.ConfigurationError as error: assert 'kaspi-delivery-async[otel]' in str(error)\n"
        "else: raise AssertionError('it was blocked')\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)  # noqa: S603 - our own code


def test_importing_the_package_loads_only_what_every_client_needs() -> None:
    """What it costs to start is what is imported."""
    code = "import sys, kaspi_delivery_async; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - ours
    loaded = set(ended.stdout.split())
    unneeded = {
        f"{NAME}.{module}"
        for module in ("bulk", "cli", "otel", "sandbox", "webhooks", "_database", "_sqlite", "_postgresql")
    }
    assert {NAME, "aiohttp"} <= loaded
    assert loaded & (unneeded | EXTRAS) == set()


def test_the_public_names_are_sorted_and_there() -> None:
    names = kaspi_delivery_async.__all__
    assert names == sorted(names)
    assert all(hasattr(kaspi_delivery_async, name) for name in names)
