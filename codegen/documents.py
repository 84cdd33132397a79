"""Finds the parts of an OpenAPI document, which is plain JSON data, and names places in it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

Json: TypeAlias = Any
"""Any JSON value."""

Object: TypeAlias = dict[str, Any]
"""A JSON object."""

Way: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the root of a document to a place in it."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

DATA = frozenset({"const", "default", "enum", "example", "value"})
"""Keys whose values are data: a `$ref` in them refers to nothing."""

NAMED = frozenset({
    "$defs", "callbacks", "content", "dependentSchemas", "encoding", "examples", "headers", "links", "parameters",
    "pathItems", "patternProperties", "properties", "requestBodies", "responses", "schemas", "securitySchemes",
    "webhooks",
})  # fmt: skip
"""Keys of objects whose own keys are names."""

SCHEMAS = "#/components/schemas/"


class CodegenError(Exception):
    """A description, overlay or result that cannot be used; its text is for the maintainer, a line for each problem."""


MOST_PROBLEMS = 100
"""Problems that one error names."""


def refuse(problems: Iterable[str]) -> None:
    """Raise CodegenError with all problems of a description, each in a line, if there are any."""
    found = list(dict.fromkeys(problems))
    if found:
        more = [f"And {len(found) - MOST_PROBLEMS} more places."] if len(found) > MOST_PROBLEMS else []
        raise CodegenError("\n".join([*found[:MOST_PROBLEMS], *more]))


def pointer(way: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a place, as a URI fragment such as `#/components/schemas/Parcel`."""
    return "#" + "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in way)


def references(node: Json, *way: str | int, names: bool = False) -> Iterator[tuple[Way, Object]]:
    """Yield each object that holds a `$ref`, and the way to it; `names` says that the keys of the node are names."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str) and not names:
            yield way, node
        for key, value in node.items():
            data = key in DATA or key.startswith("x-") or (key == "examples" and isinstance(value, list))
            if names or not data:
                yield from references(value, *way, key, names=not names and key in NAMED)
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from references(value, *way, number)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[Way, str, Object]]:
    """Yield each operation and webhook: the way to it, its name (made of method and path if it has none), and it."""
    for section in ("paths", "webhooks"):
        for path, item in document.get(section, {}).items():
            for method in METHODS:
                if method in item:
                    operation = item[method]
                    name = operation.get("operationId", f"{method} {path}" if section == "paths" else path)
                    yield (section, path, method), name, operation


def resolve(document: Mapping[str, Any], reference: str) -> Json:
    """Return what a local reference leads to; raise CodegenError if there is nothing."""
    node: Json = document
    for token in reference.removeprefix("#").split("/")[1:]:
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key) if isinstance(node, list) else key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise CodegenError(f"The $ref {reference} leads to nothing. Correct it, or add what it names.") from error
    return node


def reached(document: Mapping[str, Any], start: Json) -> set[str]:
    """Return the names of the schemas that a part of the document refers to, directly or through others."""
    names: set[str] = set()
    waiting: list[Json] = [start]
    while waiting:
        for _, holder in references(waiting.pop()):
            name = holder["$ref"].removeprefix(SCHEMAS)
            if holder["$ref"].startswith(SCHEMAS) and name not in names:
                names.add(name)
                waiting.append(document["components"]["schemas"][name])
    return names
