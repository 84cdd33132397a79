"""Refuses descriptions from which no honest models can be made, naming the place and the remedy."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from codegen.description.naming import pascal_case, snake_case
from codegen.documents import SCHEMAS, CodegenError, Json, Object, Way, pointer, references

RESERVED = frozenset({"attrs", "bool", "bytes", "dict", "float", "int", "list", "self", "str", "tuple"})
"""Attributes that would hide, inside their class, what its own annotations and methods need."""

METASCHEMA = Draft202012Validator(Draft202012Validator.META_SCHEMA)
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
    """Raise CodegenError unless the document, whose references are all local, is valid OpenAPI 3.1."""
    for way, message in _form_errors(dict(document)):
        shortened = message if len(message) < MESSAGE_LENGTH else f"{message[:MESSAGE_LENGTH]}…"
        raise CodegenError(f"This is not valid OpenAPI 3.1 at {pointer(way)}: {shortened}. Correct it there.")


def _form_errors(document: Object) -> Iterator[tuple[Way, str]]:
    # The validator as a whole gives places in schemas relative to the schema: so these come before it.
    for error in OpenAPIV31SpecValidator.schema_validator.iter_errors(document):
        yield tuple(error.absolute_path), error.message
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        for error in METASCHEMA.iter_errors(schema):
            yield ("components", "schemas", name, *error.absolute_path), error.message
    yield from _loops(document)
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        yield tuple(error.absolute_path), error.message


def _loops(document: Object) -> Iterator[tuple[Way, str]]:
    """Yield the schemas that come back to themselves on a way on which no object holds a property."""
    schemas = document.get("components", {}).get("schemas", {})
    uses = {
        name: {holder["$ref"].removeprefix(SCHEMAS) for way, holder in references(schema) if "properties" not in way}
        for name, schema in schemas.items()
    }
    for name in schemas:
        reached: set[str] = set()
        waiting = set(uses[name])
        while waiting:
            reached |= waiting
            waiting = set().union(*(uses.get(one, set()) for one in waiting)) - reached
        if name in reached:
            yield ("components", "schemas", name), "it is made of nothing but itself"


def check_schemas(document: Mapping[str, Any]) -> None:
    """Raise CodegenError for all schemas that have no faithful model; expects every schema to be named."""
    schemas = document.get("components", {}).get("schemas", {})
    names = {name: pascal_case(name) for name in schemas}
    checks = [partial(_check_distinct, names, ("components", "schemas"), "class name")]
    for name, schema in schemas.items():
        checks += [partial(_check_part, part, way) for way, part in _parts(schema, ("components", "schemas", name))]
    problems: list[str] = []
    for check in checks:
        try:
            check()
        except CodegenError as error:
            problems.append(str(error))
    if problems:
        raise CodegenError("\n".join(problems))


def _parts(node: Json, way: Way) -> Iterator[tuple[Way, Object]]:
    """Yield a schema and all the schemas in it."""
    if not isinstance(node, dict):
        return
    yield way, node
    for key in ("properties", "patternProperties"):
        for name, part in node.get(key, {}).items():
            yield from _parts(part, (*way, key, name))
    for key in ("items", "additionalProperties", "not"):
        yield from _parts(node.get(key), (*way, key))
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for number, part in enumerate(node.get(key, [])):
            yield from _parts(part, (*way, key, number))


def _check_part(schema: Mapping[str, Any], way: Way) -> None:
    if "nullable" in schema:
        raise CodegenError(
            f"`nullable` at {pointer(way)} is OpenAPI 3.0 and means nothing in 3.1. Write `type: [string, 'null']`, or "
            "`anyOf` with `type: 'null'`."
        )
    if "enum" in schema:
        _check_enum(schema["enum"], (*way, "enum"))
    properties = schema.get("properties", {})
    _check_distinct({name: snake_case(name) for name in properties}, (*way, "properties"), "attribute")
    for name in properties:
        if snake_case(name) in RESERVED or not snake_case(name).strip("_"):
            raise CodegenError(
                f"The property at {pointer((*way, 'properties', name))} cannot be an attribute's name. Leave it out "
                "through the overlay, or give it another name in the description."
            )


def _check_enum(values: list[Any], way: Way) -> None:
    if not values:
        raise CodegenError(f"The enumeration at {pointer(way)} is empty. List its values, or take it out.")
    for number, value in enumerate(values):
        if not isinstance(value, str) or not snake_case(value).strip("_"):
            raise CodegenError(
                f"The value at {pointer((*way, number))} is {value!r}; an enumeration holds strings with letters or "
                "digits in them. Take it out, with null as another type beside the enumeration."
            )
    _check_distinct({value: snake_case(value) for value in values}, way, "member")


def _check_distinct(names: Mapping[str, str], way: Way, what: str) -> None:
    first: dict[str, str] = {}
    for name, python_name in names.items():
        other = first.setdefault(python_name, name)
        if other != name:
            raise CodegenError(
                f"{pointer((*way, name))} and {pointer((*way, other))} would both be the {what} {python_name}. Rename "
                "one of them in the description, or leave it out through the overlay."
            )
