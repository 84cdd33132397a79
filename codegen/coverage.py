"""Finds what the description has and the hand-written layer lacks, and says which file it belongs in."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from codegen.description.naming import snake_case
from codegen.documents import CodegenError, operations

PACKAGE = "kaspi_delivery_async"


@attrs.frozen(kw_only=True)
class Layer:
    """What the hand-written layer has."""

    coroutines: frozenset[str]
    functions: frozenset[str]
    has_route: Callable[[str, str], bool]
    """Whether the sandbox serves a method at a path template."""
    docs: str
    statuses: frozenset[str]


def gaps(description: Mapping[str, Any], layer: Layer) -> Iterator[str]:
    """Yield one line for each operation and enumeration member that the hand-written layer does not cover."""
    for (section, path, method), name, _ in operations(description):
        if section == "paths":
            yield from _operation_gaps(name, str(method).upper(), str(path), layer)
    schemas = description["components"]["schemas"]
    for status in schemas.get("DeliveryStatus", {}).get("enum", ()):
        if status not in layer.statuses:
            yield f"DeliveryStatus {status}: has no rank; it belongs in {PACKAGE}/status.py"
    for event in schemas.get("WebhookEventType", {}).get("enum", ()):
        if event.removeprefix("delivery.") not in layer.statuses:
            yield f"WebhookEventType {event}: reports a status without a rank; it belongs in {PACKAGE}/status.py"


def _operation_gaps(name: str, method: str, path: str, layer: Layer) -> Iterator[str]:
    python_name = snake_case(name)
    if python_name not in layer.functions:
        yield f"{name}: no function {python_name}; it belongs in {PACKAGE}/operations.py"
    if python_name not in layer.coroutines:
        yield f"{name}: no coroutine DeliveryClient.{python_name}; it belongs in {PACKAGE}/client.py"
    if not layer.has_route(method, path):
        yield f"{name}: no route for {method} {path}; it belongs in {PACKAGE}/sandbox/http/delivery_api.py"
    if python_name not in layer.docs:
        yield f"{name}: the docs never mention {python_name}; it belongs in README.md or docs/"


def present_layer(root: Path) -> Layer:
    """Look at the package as it is importable now, and at the docs below a folder."""
    try:
        client, functions, status, api = (
            importlib.import_module(f"{PACKAGE}.{name}")
            for name in ("client", "operations", "status", "sandbox.http.delivery_api")
        )
    except (ImportError, AttributeError) as error:
        raise CodegenError(
            f"{PACKAGE} cannot be imported with the models as they are: {error}. Change the file that says so first."
        ) from error

    def has_route(method: str, path: str) -> bool:
        found = api.route(tuple(path.strip("/").split("/")))
        return found is not None and found[1] == method

    pages = [root / "README.md", *sorted(root.glob("docs/**/*.md"))]
    return Layer(
        coroutines=frozenset(dir(client.DeliveryClient)),
        functions=frozenset(dir(functions)),
        has_route=has_route,
        docs="\n".join(page.read_text(encoding="utf-8") for page in pages),
        statuses=frozenset(map(str, status.TERMINAL.union(status.SEQUENCE))),
    )
