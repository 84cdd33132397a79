"""Turns a description into the source text of the models."""

import ast
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from datamodel_code_generator import generate

from codegen import settings
from codegen.documents import SCHEMAS, CodegenError, pointer, reached, references


def render(description: Mapping[str, Any]) -> str:
    """Return the models of a description, as `codegen.description.load.load` makes it ready, as a formatted module.

    Raises CodegenError if a schema gives no model that can be imported.
    """
    schemas = description["components"]["schemas"]
    try:
        return _formatted(_importable(schemas))
    except Exception:
        # What stopped it says little of where; one schema at a time, with those that it needs, does.
        for name in schemas:
            needed = {name} | reached(description, schemas[name])
            try:
                _importable({one: schema for one, schema in schemas.items() if one in needed})
            except Exception as error:
                place = pointer(["components", "schemas", name])
                raise CodegenError(
                    f"No model can be made of the schema at {place}: {error}. Say it in a simpler way, for example "
                    "through the overlay."
                ) from error
        raise


def _importable(schemas: Mapping[str, Any]) -> str:
    """Return the source of the models, after it was executed once."""
    document = {"openapi": "3.1.0", "info": {"title": "", "version": ""}, "components": {"schemas": schemas}}
    generated = generate(
        json.dumps(document),
        **settings.GENERATOR,
        # Only models that refer to themselves need annotations that are read later.
        disable_future_imports=not _is_recursive(schemas),
    )
    source = _with_tuples(str(generated))
    exec(compile(source, "models", "exec"), {"__name__": "models"})  # noqa: S102 -- as importing it would
    return source


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


def _with_tuples(source: str) -> str:
    """Write `tuple[X, ...]` for `list[X]`, so that a frozen model is frozen through and through."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    edits: list[tuple[int, int, int, bytes]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(value=ast.Name(id="list"), end_lineno=int(end), end_col_offset=int(column)):
                edits += [(end, column - 1, 0, b", ..."), (node.lineno, node.col_offset, len("list"), b"tuple")]
            case _:
                pass
    for number, column, length, text in sorted(edits, reverse=True):
        line = lines[number - 1]
        lines[number - 1] = line[:column] + text + line[column + length :]
    return b"".join(lines).decode()


def _formatted(source: str) -> str:
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
