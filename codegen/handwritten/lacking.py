"""Finds what the description has and the hand-written code lacks, or has still though the description lost it."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from codegen.description.naming import snake_case
from codegen.handwritten.code import PACKAGE, Code, Place
from codegen.handwritten.coroutines import Function
from codegen.rendering.operations import Operation

EXPORTS = f"{PACKAGE}/models.py"
FUNCTIONS = f"{PACKAGE}/operations.py"
ROUTES = f"{PACKAGE}/sandbox/routes.py"
HANDLERS = f"{PACKAGE}/sandbox/http/delivery_api.py"
STATUSES = f"{PACKAGE}/status.py"
LIFECYCLE = f"{PACKAGE}/sandbox/deliveries/lifecycle.py"
DOCS = "docs/client.md"
TESTS = "tests/test_operations.py"
TYPING = "tests/typing/public_api.py"


def lacking(operations: Iterable[Operation], schemas: Mapping[str, Any], code: Code) -> list[str]:
    """Return one line for each thing that is still to be done by hand: where, and what."""
    listed = list(operations)
    found = [
        *_of_operations(listed, code),
        *_of_sandbox(listed, code),
        *_of_models(schemas, code),
        *_of_values(schemas, code),
    ]
    ordered = sorted(set(found), key=lambda one: (one[0].order, one[1]))
    return [f"{place}: {what}" for place, what in ordered]


def _of_operations(operations: list[Operation], code: Code) -> Iterator[tuple[Place, str]]:
    functions = {node.name: node for node in _functions(code.tree(FUNCTIONS).body)}
    for operation in operations:
        function = functions.get(operation.name)
        if function is None:
            where = f"{operation.method} {operation.path}"
            yield last_function(code), f"no function {operation.name} for {where}"
        else:
            yield from _of_function(operation, function)
        yield from _of_texts(operation, operations, code)
    names = {operation.constant for operation in operations}
    for node in ast.walk(code.tree(FUNCTIONS)):
        match node:
            case ast.Attribute(value=ast.Name(id="described"), attr=name) if name not in names:
                yield Place(FUNCTIONS, node.lineno), f"there is no operation {name} any more"
            case _:
                pass


def _of_sandbox(operations: list[Operation], code: Code) -> Iterator[tuple[Place, str]]:
    """Yield the operations that the sandbox does not serve, and the routes that are none."""
    handlers = {
        node.name: node
        for part in code.tree(HANDLERS).body
        if isinstance(part, ast.ClassDef) and part.name == "DeliveryApi"
        for node in _functions(part.body)
    }
    routes = dict(_routes(code))
    for operation in operations:
        where = f"{operation.method} {operation.path}"
        place, name, keyed = routes.pop(_template(where), (None, "", False))
        if place is None:
            yield last_route(code), f"no route for {where}"
        elif name not in handlers:
            yield _last(HANDLERS, handlers.values()), f"no handler {name} for {where}"
        elif keyed != operation.takes_key:
            yield place, f"{where} takes {'an' if operation.takes_key else 'no'} idempotency key"
    for template, (place, *_) in routes.items():
        yield place, f"there is no operation {template} any more"


def _of_texts(operation: Operation, operations: list[Operation], code: Code) -> Iterator[tuple[Place, str]]:
    """Yield the texts and tests that do not mention an operation, each with the last line that mentions another."""
    for file, what in ((DOCS, "docs"), (TESTS, "tests"), (TYPING, "typing tests")):
        if not code.uses(operation.name, inside=[file]):
            uses = code.uses(*(one.name for one in operations), inside=[file])
            yield uses[-1] if uses else Place(file, 1), f"the {what} do not mention {operation.name}"


def _of_function(operation: Operation, function: Function) -> Iterator[tuple[Place, str]]:
    """Yield what a function lacks of its operation's parameters."""
    place = Place(FUNCTIONS, function.lineno)
    arguments = function.args
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    if operation.takes_key and "idempotency_key" not in names:
        yield place, f"{function.name} takes no idempotency_key"
    if not operation.takes_key and "idempotency_key" in names:
        yield place, f"{function.name} takes an idempotency_key, which the API does not"
    for parameter in operation.parameters:
        if parameter.place != "header" and parameter.name not in names:
            yield place, f"{function.name} has no argument for {parameter.name} ({parameter.place} {parameter.wire})"


def _functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def last_function(code: Code) -> Place:
    """Return the end of the last public function of operations.py, behind which a new one belongs."""
    return _last(FUNCTIONS, _functions(code.tree(FUNCTIONS).body))


def last_route(code: Code) -> Place:
    """Return the line of the sandbox's last route, behind which a new one belongs."""
    return Place(ROUTES, max(place.line for _, (place, *_) in _routes(code)))


def routes_of(code: Code, where: str) -> list[Place]:
    """Return the lines of the sandbox's routes at a method and path that a text names."""
    return [place for template, (place, *_) in _routes(code) if template in _template(where).split(" is now ")]


def _last(file: str, nodes: Iterable[ast.FunctionDef]) -> Place:
    return Place(file, max((node.end_lineno or 1 for node in nodes), default=1))


def _routes(code: Code) -> Iterator[tuple[str, tuple[Place, str, bool]]]:
    """Yield the method and path of each of the sandbox's routes: its place, its name and whether it takes a key."""
    for node in ast.walk(code.tree(ROUTES)):
        match node:
            case ast.Call(
                func=ast.Name(id="Route"),
                args=[ast.Constant(value=name), ast.Constant(value=method), ast.Constant(value=path)],
                keywords=keywords,
            ):
                yield (
                    _template(f"{method!s} {path!s}"),
                    (Place(ROUTES, node.lineno), _handler(name), any(one.arg == "keyed" for one in keywords)),
                )
            case _:
                pass


def _handler(operation: object) -> str:
    return str(operation).replace("-", "_")


def _template(place: str) -> str:
    return re.sub(r"{[^}]*}", "{}", place)


def _of_models(schemas: Mapping[str, Any], code: Code) -> Iterator[tuple[Place, str]]:
    """Yield what the code takes for granted of the models, and is no longer so."""
    values = {
        name: {_member(str(value)) for value in schema["enum"]} for name, schema in schemas.items() if "enum" in schema
    }
    fields = {name: _fields(schema) for name, schema in schemas.items() if "properties" in schema}
    for file, tree in code.modules(_of_interest(values, fields)):
        own = _imported(tree)
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module="kaspi_delivery_async._generated.models", names=names) if file != EXPORTS:
                    for alias in names:
                        if alias.name not in schemas:
                            yield Place(file, alias.lineno), f"there is no model {alias.name} any more"
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in values and name in own:
                    if attribute.isupper() and attribute not in values[name]:
                        yield Place(file, node.lineno), f"there is no {name}.{attribute} any more"
                case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if name in fields and name in own:
                    given = {keyword.arg for keyword in keywords}
                    for problem in _of_call(name, given, *fields[name]):
                        yield Place(file, node.lineno), problem
                case _:
                    pass


def _of_interest(values: Mapping[str, Collection[str]], fields: Collection[str]) -> str:
    """Return a pattern of what may no longer fit the models: an import, a call, a member that there is not."""
    members = "|".join(rf"\b{name}\.(?!(?:{'|'.join(known)})\b)[A-Z]" for name, known in values.items())
    calls = rf"\b(?:{'|'.join(fields)})\("
    return "|".join(part for part in (r"_generated\.models import", members if values else "", calls) if part)


def _imported(tree: ast.Module) -> set[str]:
    """Return the names that a module imports from this package, the sandbox's own aside."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith(PACKAGE)
        and "sandbox" not in str(node.module)
        for alias in node.names
    }


def _of_call(model: str, given: set[str | None], allowed: set[str], required: set[str]) -> Iterator[str]:
    for field in sorted(str(field) for field in given - allowed - {None}):
        yield f"{model} has no field {field} any more"
    for field in sorted(required - given if None not in given else ()):
        yield f"{model} requires {field}"


def _fields(schema: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Return the names of a model's fields, and of those that are required."""
    required = {snake_case(name) for name in schema.get("required", ())}
    return {snake_case(name) for name in schema["properties"]}, required


def _of_values(schemas: Mapping[str, Any], code: Code) -> Iterator[tuple[Place, str]]:
    """Yield the statuses that have no rank, and the events that report none."""
    ranked = _members(code.tree(STATUSES), ("SEQUENCE", "MOVES"))
    place = assignment(code, STATUSES, "SEQUENCE")
    for status in schemas.get("DeliveryStatus", {}).get("enum", ()):
        if _member(status) not in ranked:
            yield place, f"DeliveryStatus {status} has no rank"
        if not code.uses(status, inside=[LIFECYCLE]):
            yield assignment(code, LIFECYCLE, "SEQUENCE"), f"the sandbox knows no status {status}"
    for event in schemas.get("WebhookEventType", {}).get("enum", ()):
        if _member(event.removeprefix("delivery.")) not in ranked:
            yield place, f"WebhookEventType {event} reports a status without a rank"


def _member(value: str) -> str:
    return re.sub(r"\W+", "_", value).upper()


def _members(tree: ast.Module, constants: tuple[str, ...]) -> set[str]:
    return {
        node.attr
        for part in tree.body
        if isinstance(part, (ast.Assign, ast.AnnAssign)) and ast.unparse(part).startswith(constants)
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute)
    }


def assignment(code: Code, file: str, name: str) -> Place:
    """Return where a name of a module gets its value."""
    lines = [node.lineno for node in code.tree(file).body if ast.unparse(node).startswith(f"{name} =")]
    return Place(file, lines[0] if lines else 1)
