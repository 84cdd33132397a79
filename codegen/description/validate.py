"""Refuses descriptions from which no honest models can be made, naming the place and the remedy."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from codegen.description.flatten import SCHEMA_MAPS, SCHEMAS_WITHIN
from codegen.documents import DATA, CodegenError, Json, Object, Way, operations, pointer, refuse, resolve

DOCUMENT = jsonschema_rs.Draft202012Validator(dict(OpenAPIV31SpecValidator.schema_validator.schema))
"""Validates a description, its schemas aside."""

METASCHEMA = jsonschema_rs.Draft202012Validator(dict(Draft202012Validator.META_SCHEMA))
MESSAGE_LENGTH = 300
"""Characters of a validator's message that are shown: it may quote half of the document."""


def check_version(document: Mapping[str, Any]) -> None:
    """Raise CodegenError unless the document says that it is OpenAPI 3.1."""
    version = str(document.get("openapi", document.get("swagger", "")))
    if version.startswith("3.1."):
        return
    if not version:
        raise CodegenError("This is no OpenAPI description: it has no `openapi` at its root. Give one of version 3.1.")
    first = "npx swagger2openapi OLD.yaml -o V3.yaml, then " if version.startswith("2") else ""
    raise CodegenError(
        f"This description is OpenAPI {version}; only 3.1 is read. Convert it first with `{first}npx @scalar/cli "
        "document upgrade OLD.yaml -o NEW.yaml`, or by hand: `openapi: 3.1.0`, `type: [string, 'null']` for "
        "`nullable`, numeric `exclusiveMinimum`, `examples` for `example`"
        + (", `components` for `definitions`, `servers` for `host`." if version.startswith("2") else ".")
    )


def check_form(document: Mapping[str, Any]) -> None:
    """Raise CodegenError, with all places, unless the document, with local references only, is valid OpenAPI 3.1."""
    for errors in (_errors_by_schema, _loops, _errors_beyond):
        refuse(_said(*error) for error in errors(dict(document)))


def _said(way: Way, message: str) -> str:
    shortened = message if len(message) < MESSAGE_LENGTH else f"{message[:MESSAGE_LENGTH]}…"
    return f"This is not valid OpenAPI 3.1 at {pointer(way)}: {shortened}. Correct it there."


def _errors_by_schema(document: Object) -> Iterator[tuple[Way, str]]:
    # The validator of the whole takes a thousand times as long, and looks up references in data.
    for error in DOCUMENT.iter_errors(document):
        yield tuple(error.instance_path), error.message
    for schema, way in _schemas(document, ()):
        for error in METASCHEMA.iter_errors(schema):
            yield (*way, *error.instance_path), error.message


def _schemas(node: Json, way: Way) -> Iterator[tuple[Json, Way]]:
    """Yield the schemas of a description: those among its components, and those of bodies, parameters and headers."""
    if isinstance(node, dict):
        for key, part in node.items():
            if way == ("components", "schemas") or (key == "schema" and way[-1:] != ("components",)):
                yield part, (*way, key)
            elif key not in DATA and not key.startswith("x-"):
                yield from _schemas(part, (*way, key))
    elif isinstance(node, list):
        for number, part in enumerate(node):
            yield from _schemas(part, (*way, number))


def _errors_beyond(document: Object) -> Iterator[tuple[Way, str]]:
    """Yield what no schema of the format says: names of operations and of the parameters in paths."""
    seen: set[str] = set()
    for way, name, operation in operations(document):
        if "operationId" in operation and name in seen:
            yield (*way, "operationId"), f"{name} is the operationId of another operation, too"
        seen.add(name)
        if way[0] == "paths":
            item = document["paths"][way[1]]
            described = [
                resolve(document, one["$ref"]) if "$ref" in one else one
                for one in (*item.get("parameters", ()), *operation.get("parameters", ()))
            ]
            names = {one.get("name") for one in described if one.get("in") == "path"}
            for missing in set(re.findall(r"{([^}]*)}", str(way[1]))) - names:
                yield way, f"the path has a parameter {missing!r} that is not described"


def _loops(document: Object) -> Iterator[tuple[Way, str]]:
    """Yield the components that are a part of themselves, by references and `allOf`."""
    uses = {
        pointer(("components", kind, name)): ((kind, name), set(_made_of(part)))
        for kind, parts in document.get("components", {}).items()
        if not kind.startswith("x-")
        for name, part in parts.items()
    }
    for place, (way, used_first) in uses.items():
        reached: set[str] = set()
        waiting = used_first
        while waiting:
            reached |= waiting
            waiting = {one for used in waiting if used in uses for one in uses[used][1]} - reached
        if place in reached:
            yield ("components", *way), "it is made of nothing but itself"


def _made_of(schema: Json) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for part in schema.get("allOf", ()):
            yield from _made_of(part)


def keyword_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each keyword of a schema that means nothing or cannot be followed."""
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        for part, way in _parts(schema, ("components", "schemas", name)):
            yield from _problems(part, way)


def _parts(node: Json, way: Way) -> Iterator[tuple[Object, Way]]:
    """Yield a schema and all the schemas in it."""
    if not isinstance(node, dict):
        return
    yield node, way
    for key in SCHEMA_MAPS & node.keys():
        for name, part in node[key].items():
            yield from _parts(part, (*way, key, name))
    for key in (SCHEMAS_WITHIN | {"not", "if", "then", "else"}) & node.keys():
        yield from _parts(node[key], (*way, key))
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for number, part in enumerate(node.get(key, [])):
            yield from _parts(part, (*way, key, number))


def _problems(schema: Mapping[str, Any], way: Way) -> Iterator[str]:
    if "nullable" in schema:
        yield (
            f"`nullable` at {pointer(way)} is OpenAPI 3.0 and means nothing in 3.1. Write `type: [string, 'null']`, or "
            "`anyOf` with `type: 'null'`."
        )
    if schema.get("enum") == []:
        yield f"The enumeration at {pointer((*way, 'enum'))} is empty. List its values, or take it out."
    if "$dynamicRef" in schema:
        yield f"The `$dynamicRef` at {pointer(way)} is not followed. Write a `$ref` to a named schema."
