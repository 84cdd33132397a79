"""Turns a description into the source text of the models."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from datamodel_code_generator import generate

from codegen import settings
from codegen.documents import SCHEMAS, references


def render(description: Mapping[str, Any]) -> str:
    """Return the models of a description, as `codegen.description.load.load` makes it ready, as a formatted module."""
    schemas = description["components"]["schemas"]
    if not schemas:
        return f"{settings.GENERATOR['custom_file_header']}\n"
    document = {"openapi": "3.1.0", "info": {"title": "", "version": ""}, "components": {"schemas": schemas}}
    source = generate(
        json.dumps(document),
        **settings.GENERATOR,
        # Only models that refer to themselves need annotations that are read later.
        disable_future_imports=not _is_recursive(schemas),
    )
    return formatted(str(source))


def _is_recursive(schemas: Mapping[str, Any]) -> bool:
    """Return whether a schema refers to itself, directly or through others: some remain when leaves are removed."""
    left = {
        name: {holder["$ref"].removeprefix(SCHEMAS) for _, holder in references(schema)}
        for name, schema in schemas.items()
    }
    while leaves := [name for name, uses in left.items() if not uses & left.keys()]:
        for name in leaves:
            del left[name]
    return bool(left)


def formatted(source: str) -> str:
    """Return a module's source with its imports sorted, in the project's style."""
    for arguments in settings.RUFF:
        source = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(settings.MODELS), "-"],
            input=source,
            capture_output=True,
            text=True,
            check=True,
            cwd=settings.ROOT,
        ).stdout
    return source
