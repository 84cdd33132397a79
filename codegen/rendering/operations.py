"""Turns the operations of a description into the source text of the facts about them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from typing import Any

import attrs

from codegen import settings
from codegen.comparison.listing import operations_of
from codegen.description.naming import pascal_case, snake_case
from codegen.documents import SCHEMAS, CodegenError, Json, Object, pointer, resolve
from codegen.rendering.models import formatted

KEY = "idempotency-key"
"""The header of idempotency keys, in lower case."""

SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
FORMATS = {"date-time": "datetime", "date": "date"}


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter as the generated module writes it."""

    name: str
    wire: str
    place: str
    kind: str
    required: bool


@attrs.frozen(kw_only=True)
class Operation:
    """An operation as the generated module writes it; types are Python expressions."""

    name: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    takes_key: bool
    request: str | None
    result: str
    successes: tuple[str, ...]
    errors: Mapping[str, str | None]
    source: str
    summary: str

    @property
    def constant(self) -> str:
        """The name of its constant."""
        return self.name.upper()


def described(document: Object) -> list[Operation]:
    """Return the operations of a description that `codegen.description.load.load` has made ready.

    Raises CodegenError for responses of success that are not of one type.
    """
    found: dict[str, Operation] = {}
    for parts in operations_of(document):
        if parts.section != "paths":
            continue
        operation = _operation(document, parts.name, parts.place, parts.parts, parts.parameters)
        other = found.setdefault(operation.name, operation)
        if other is not operation:
            raise CodegenError(
                f"{other.method} {other.path} and {operation.method} {operation.path} would both be called "
                f"{operation.name}. Give one of them another operationId through the overlay."
            )
    return list(found.values())


def _operation(document: Object, name: str, place: str, parts: Object, parameters: Mapping[str, Object]) -> Operation:
    method, _, path = place.partition(" ")
    names = re.findall(r"{([^}]*)}", path)
    sent = [
        Parameter(
            name=python_name(one["name"]),
            wire=one["name"],
            place=one["in"],
            kind=_kind(document, one.get("schema")),
            required=bool(one.get("required")),
        )
        for one in parameters.values()
        if one.get("in") in ("path", "query", "header")
    ]
    responses = {status.upper(): _whole(document, one) for status, one in parts.get("responses", {}).items()}
    successes = {status: _body(document, one) for status, one in responses.items() if status.startswith("2")}
    results = set(successes.values()) or {None}
    if len(results) > 1:
        way = ("paths", path, method.lower(), "responses")
        raise CodegenError(
            f"The responses of success at {pointer(way)} have bodies of different types, and a call returns one. Give "
            "them one schema, or leave the others out through the overlay."
        )
    return Operation(
        name=python_name(name),
        method=method,
        path=path,
        parameters=tuple(sorted(sent, key=lambda one: names.index(one.wire) if one.place == "path" else len(names))),
        takes_key=any(one["name"].lower() == KEY and one.get("in") == "header" for one in parameters.values()),
        request=_body(document, _whole(document, parts.get("requestBody", {}))),
        result=results.pop() or "None",
        successes=tuple(successes),
        errors={status: _body(document, one) for status, one in responses.items() if status not in successes},
        source=str(parts.get("x-source", "")),
        summary=str(parts.get("summary", "")),
    )


def python_name(text: str) -> str:
    """Return what an operation or a parameter is called in Python."""
    # Some signs are letters to a regular expression, and to Python none.
    name = "".join(sign if f"n{sign}".isidentifier() else "_" for sign in snake_case(text)).strip("_")
    return name if name.isidentifier() and not iskeyword(name) else f"{name}_" if iskeyword(name) else f"n{name}"


def _whole(document: Object, part: Object) -> Object:
    return _whole(document, resolve(document, part["$ref"])) if "$ref" in part else part


def _body(document: Object, part: Object) -> str | None:
    """Return the type of a JSON body, None if there is none."""
    for kind, media in part.get("content", {}).items():
        if kind.partition(";")[0].strip().lower() == "application/json" and "schema" in media:
            return _kind(document, media["schema"])
    return None


def _kind(document: Object, schema: Json) -> str:
    """Return the Python type of a schema's values, as an expression."""
    match schema:
        case {"$ref": str(reference)} if reference.startswith(SCHEMAS):
            target = resolve(document, reference)
            named = "properties" in target or "allOf" in target or "enum" in target
            return f"models.{pascal_case(reference.removeprefix(SCHEMAS))}" if named else _kind(document, target)
        case {"type": "array", "items": items}:
            return f"tuple[{_kind(document, items)}, ...]"
        case {"type": "string", "format": str(form)} if form in FORMATS:
            return FORMATS[form]
        case {"type": str(kind)} if kind in SCALARS:
            return SCALARS[kind]
        case _:
            return "object"


def render_operations(document: Object) -> str:
    """Return the module of the operations, formatted; raises CodegenError as `described` does."""
    return formatted("\n".join(_lines(described(document))))


def _lines(operations: Iterable[Operation]) -> Iterator[str]:
    yield settings.header("Operations of the Kaspi Delivery API: what their requests and responses are.")
    yield "from datetime import date, datetime"
    yield "from typing import Any"
    yield "from kaspi_delivery_async._generated import models"
    yield "from kaspi_delivery_async._operation_spec import OperationSpec, Parameter"
    listed = list(operations)
    for operation in listed:
        yield ""
        yield f"{operation.constant} = OperationSpec("
        for key, value in _arguments(operation):
            yield f"    {key}={value},"
        yield ")"
        if operation.summary:
            yield _docstring(operation.summary)
    yield ""
    yield f"ALL: tuple[OperationSpec[Any], ...] = ({''.join(f'{operation.constant}, ' for operation in listed)})"


def _docstring(text: str) -> str:
    """Return a text as a docstring: no quote ends it, and no backslash means anything."""
    words = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"').replace("\x00", "")
    return f'"""{words}"""'


def _arguments(operation: Operation) -> Iterator[tuple[str, str]]:
    for key in ("name", "method", "path"):
        yield key, repr(getattr(operation, key))
    if operation.parameters:
        parameters = ", ".join(_parameter(one) for one in operation.parameters)
        yield "parameters", f"({parameters},)"
    if operation.takes_key:
        yield "takes_key", "True"
    if operation.request:
        yield "request", operation.request
    yield "result", operation.result if operation.result != "None" else "type(None)"
    yield "successes", repr(operation.successes)
    errors = ", ".join(f"{status!r}: {kind}" for status, kind in operation.errors.items())
    yield "errors", f"{{{errors}}}"
    if operation.source:
        yield "source", repr(operation.source)


def _parameter(parameter: Parameter) -> str:
    required = ", required=True" if parameter.required else ""
    given: dict[str, Any] = {"name": parameter.name, "wire": parameter.wire, "place": parameter.place}
    texts = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return f"Parameter({texts}, kind={parameter.kind}{required})"
