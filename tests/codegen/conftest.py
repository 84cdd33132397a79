"""Descriptions to generate from, and models made of them."""

import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from codegen import settings
from codegen.description.load import load
from codegen.rendering.models import render

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def description() -> dict[str, Any]:
    """The project's own description, ready for the generator."""
    return load(str(settings.DESCRIPTION))


@pytest.fixture(scope="session")
def vendor() -> str:
    """The path of a description of the vendor's shape."""
    return str(HERE / "descriptions" / "vendor.yaml")


@pytest.fixture(scope="session")
def overlay() -> str:
    """The path of the overlay for the vendor's description."""
    return str(settings.ROOT / "openapi" / "overlay.yaml")


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Callable[..., ModuleType]]:
    """Renders a ready description and imports the models."""
    names: list[str] = []

    def imported(ready: dict[str, Any]) -> ModuleType:
        name = f"models_{len(names)}"
        path = tmp_path / f"{name}.py"
        path.write_text(render(ready), encoding="utf-8")
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        names.append(name)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    yield imported
    for name in names:
        del sys.modules[name]


@pytest.fixture
def schemas() -> Callable[..., dict[str, Any]]:
    """Makes a bare description of some schemas."""

    def schemas(**named: object) -> dict[str, Any]:
        info = {"title": "A test", "version": "1"}
        return {"openapi": "3.1.0", "info": info, "paths": {}, "components": {"schemas": named}}

    return schemas
