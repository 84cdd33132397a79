"""Takes from a description what callers and the wire see of it, in a form that two versions can be compared in."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from codegen.documents import SCHEMAS, Json, Object, operations, reached

BOUNDS = (
    "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
    "multipleOf", "pattern", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip
TEXTS = (
    "title", "summary", "description", "deprecated", "tags", "example", "examples", "default", "externalDocs",
    "x-source", "x-assumption", "x-enum-descriptions", "x-codeSamples",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Field:
    """A property or a parameter."""

    type: str
    required: bool
    nullable: bool
    bounds: Mapping[str, Json]
    personal: bool
    texts: Mapping[str, Json]


@attrs.frozen(kw_only=True)
class Schema:
    """A named schema; `type` tells what it is when it is neither an object with fields nor an enumeration."""

    type: str
    fields: Mapping[str, Field]
    values: tuple[str, ...]
    open: bool
    texts: Mapping[str, Json]


@attrs.frozen(kw_only=True)
class Operation:
    """An operation of the API, or a webhook, by what is sent and what is answered."""

    place: str
    parameters: Mapping[str, Field]
    body: str | None
    body_required: bool
    answers: Mapping[str, str]
    headers: frozenset[str]
    security: Json
    texts: Mapping[str, Json]


@attrs.frozen(kw_only=True)
class Surface:
    """Everything of a description that a change can break."""

    servers: tuple[str, ...]
    operations: Mapping[str, Operation]
    schemas: Mapping[str, Schema]
    sent: frozenset[str]
    """The schemas that reach the API."""
    received: frozenset[str]
    """The schemas that come from the API, events included."""


def surface(description: Mapping[str, Any]) -> Surface:
    """Take the surface of a description that `codegen.description.load.load` has made ready."""
    sent: set[str] = set()
    received: set[str] = set()
    for (section, *_), _, operation in operations(description):
        body, answers = _parts(description, operation)
        (received if section == "webhooks" else sent).update(reached(description, [body]))
        received.update(reached(description, [answers]))
    return Surface(
        servers=tuple(server["url"] for server in description.get("servers", [])),
        operations={name: _operation(description, place, operation) for place, name, operation in _placed(description)},
        schemas={name: _schema(schema) for name, schema in description["components"]["schemas"].items()},
        sent=frozenset(sent),
        received=frozenset(received),
    )


def _placed(description: Mapping[str, Any]) -> Iterator[tuple[str, str, Object]]:
    for (_, path, method), name, operation in operations(description):
        shared = description.get("paths", {}).get(path, {}).get("parameters", [])
        yield (
            f"{str(method).upper()} {path}",
            name,
            {**operation, "parameters": [*shared, *operation.get("parameters", [])]},
        )


def _resolved(description: Mapping[str, Any], part: Json) -> Json:
    """Follow a local reference to a component other than a schema."""
    while "$ref" in part and not part["$ref"].startswith(SCHEMAS):
        kind, name = part["$ref"].removeprefix("#/components/").split("/")
        part = description["components"][kind][name]
    return part


def _parts(description: Mapping[str, Any], operation: Mapping[str, Any]) -> tuple[Object, dict[str, Object]]:
    answers = {status: _resolved(description, part) for status, part in operation.get("responses", {}).items()}
    return _resolved(description, operation.get("requestBody", {})), answers


def _operation(description: Mapping[str, Any], place: str, operation: Mapping[str, Any]) -> Operation:
    body, answers = _parts(description, operation)
    parameters = [_resolved(description, parameter) for parameter in operation["parameters"]]
    return Operation(
        place=place,
        parameters={
            f"{parameter['in']} {parameter['name']}": _field(
                {**parameter.get("schema", {}), **_texts(parameter)}, required=parameter.get("required", False)
            )
            for parameter in parameters
        },
        body=_content(body) or None,
        body_required=body.get("required", False),
        answers={status: _content(answer) for status, answer in answers.items()},
        headers=frozenset(
            f"{status} {header}" for status, answer in answers.items() for header in answer.get("headers", {})
        ),
        security=operation.get("security", description.get("security", [])),
        texts=_texts(operation),
    )


def _content(part: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind}: {_type(media.get('schema', {}))}" for kind, media in part.get("content", {}).items())


def _schema(schema: Mapping[str, Any]) -> Schema:
    required = schema.get("required", [])
    properties = schema.get("properties", {})
    return Schema(
        type=_type(schema),
        fields={name: _field(part, required=name in required) for name, part in properties.items()},
        values=tuple(schema.get("enum", ())),
        open=schema.get("x-open", False),
        texts=_texts(schema),
    )


def _field(schema: Mapping[str, Any], *, required: bool) -> Field:
    type_, nullable = _without_null(schema)
    return Field(
        type=type_,
        required=required,
        nullable=nullable,
        bounds={key: schema[key] for key in BOUNDS if key in schema},
        personal=schema.get("x-personal", False),
        texts=_texts(schema),
    )


def _without_null(schema: Mapping[str, Any]) -> tuple[str, bool]:
    options = _type(schema).split(" or ")
    return " or ".join(option for option in options if option != "null"), "null" in options


def _type(schema: Mapping[str, Any]) -> str:
    """Say in a word or a few what data a schema stands for."""
    match schema:
        case {"$ref": str(reference)}:
            return reference.removeprefix(SCHEMAS)
        case {"const": value}:
            return repr(value)
        case {"anyOf": list(parts)} | {"oneOf": list(parts)}:
            return " or ".join(map(_type, parts))
        case {"allOf": list(parts)}:
            return " and ".join(map(_type, parts))
        case {"type": list(types)}:
            return " or ".join(_type({**schema, "type": one}) for one in types)
        case {"type": "array"}:
            return f"array of {_type(schema.get('items', {}))}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"map of {_type(values)}"
        case {"type": str(one)}:
            return " ".join([schema["format"], one] if one == "string" and "format" in schema else [one])
        case _:
            return "anything"


def _texts(part: Mapping[str, Any]) -> Object:
    return {key: part[key] for key in TEXTS if key in part}
