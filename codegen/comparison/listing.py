"""Lists the operations of a description: those of paths and webhooks, and the callbacks behind them."""

import re
from collections.abc import Iterator, Mapping

import attrs

from codegen.comparison.servers import Requirement, security_of, servers_of
from codegen.documents import METHODS, Json, Object, resolve


@attrs.frozen(kw_only=True)
class Operation:
    """An operation, a webhook or a callback, with what its path item and the document say for it."""

    name: str
    has_name: bool
    section: str
    place: str
    template: str
    """Method and path, whatever the parameters in it are called."""
    parts: Object = attrs.field(eq=False)
    item: Object = attrs.field(eq=False)
    """The rest of its path item."""
    parameters: Mapping[str, Object] = attrs.field(eq=False)
    servers: frozenset[str]
    security: frozenset[Requirement]


def operations_of(document: Object) -> list[Operation]:
    """Return the operations of a description, the callbacks behind the operation that they belong to."""
    return [
        operation
        for section in ("paths", "webhooks")
        for path, item in document.get(section, {}).items()
        if not path.startswith("x-")
        for operation in _in_item(document, section, path, item)
    ]


def _in_item(document: Object, section: str, path: str, item: Object, prefix: str = "") -> Iterator[Operation]:
    item = _whole_item(document, item)
    rest = {key: value for key, value in item.items() if key not in (*METHODS, "servers", "parameters")}
    for method in METHODS:
        if method not in item:
            continue
        parts = item[method]
        default = f"{method} {path}" if section == "paths" else f"{prefix}{path}"
        name = parts.get("operationId", default)
        shared = {_key(path, one): one for one in _resolved_all(document, item.get("parameters", []))}
        own = {_key(path, one): one for one in _resolved_all(document, parts.get("parameters", []))}
        # Requests that we receive are authenticated by what they say themselves, not as those that we send.
        inherited = document.get("security") if section == "paths" else None
        yield Operation(
            name=name,
            has_name="operationId" in parts or section != "paths",
            section=section,
            place=f"{method.upper()} {prefix}{path}",
            template=f"{method} {prefix}{re.sub(r'{[^}]*}', '{}', path)}",
            parts=parts,
            item=rest,
            parameters=shared | own,
            servers=servers_of(parts, item, document),
            security=security_of(document, parts.get("security", inherited)),
        )
        for called, callback in parts.get("callbacks", {}).items():
            for expression, inner in resolved(document, callback).items():
                if not expression.startswith("x-"):
                    yield from _in_item(document, "callbacks", expression, inner, f"{name} {called} ")


def _whole_item(document: Object, item: Object) -> Object:
    """Return a path item with what it refers to."""
    if "$ref" not in item:
        return item
    rest = {key: value for key, value in item.items() if key != "$ref"}
    return {**_whole_item(document, resolve(document, item["$ref"])), **rest}


def resolved(document: Object, part: Json) -> Json:
    """Return what a reference leads to, or the part itself; texts beside the reference win."""
    if "$ref" not in part:
        return part
    own = {key: value for key, value in part.items() if key in ("summary", "description")}
    return {**resolved(document, resolve(document, part["$ref"])), **own}


def _resolved_all(document: Object, parts: list[Object]) -> list[Object]:
    return [resolved(document, part) for part in parts]


def _key(path: str, parameter: Object) -> str:
    """Return what a parameter is found by: its place in the path, or its name."""
    name, place = parameter.get("name"), parameter.get("in")
    if place == "path":
        names = re.findall(r"{([^}]*)}", path)
        return f"path {names.index(name)}" if name in names else f"path {name}"
    return f"{place} {str(name).lower() if place == 'header' else name}"
