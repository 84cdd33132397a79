"""Finds the places in hand-written code that a change of the description concerns."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from codegen.comparison.changes import Change
from codegen.comparison.rules import BREAKING
from codegen.description.naming import snake_case
from codegen.documents import SCHEMAS, references
from codegen.handwritten.code import Code, Place
from codegen.handwritten.lacking import LIFECYCLE, STATUSES, assignment, last_function, last_route, routes_of
from codegen.rendering.operations import python_name

ADDED = frozenset({"operation-added", "value-added", "parameter-added", "required-parameter-added"})
"""Of the changes that break nothing, those that ask for something by hand; all else is generated."""

RANKED = ("DeliveryStatus", "WebhookEventType")


class Asked:
    """Finds places by the names that a change is about, in the old description or in the new one."""

    def __init__(self, old: Mapping[str, Any], new: Mapping[str, Any], code: Code) -> None:
        self._code = code
        self._schemas = {**_schemas(new), **_schemas(old)}

    def places(self, change: Change) -> list[Place]:
        """Return where hand-written code has to be looked at because of a change, the package's files first."""
        if not change.impacts & BREAKING and change.rule not in ADDED | {"path-parameter-renamed"}:
            return []
        return sorted(set(self._found(change)), key=lambda place: place.order)

    def _found(self, change: Change) -> Iterator[Place]:
        head, _, rest = change.place.partition(", ")
        schema, *fields = re.split(r"[.\[\]*/]+", head.strip(".[]*/"))
        if change.rule.startswith("server"):
            yield from self._code.lines_with(re.sub(r" \(any .*\)$", "", change.place.rpartition(", ")[2]))
        elif change.rule.startswith("security"):
            yield from self._code.uses(*re.findall(r"(?:header|query|cookie|http) ([\w-]+)", change.detail.lower()))
        elif change.rule == "operation-added":
            yield from (last_function(self._code), last_route(self._code))
        elif schema in self._schemas and not rest:
            yield from self._of_schema(change.rule, schema, fields)
        else:
            yield from self._of_operation(head, rest, change.detail)

    def _of_schema(self, rule: str, schema: str, fields: list[str]) -> Iterator[Place]:
        near = self._holders(schema)
        if rule == "value-added":
            if schema in RANKED:
                yield from (assignment(self._code, file, "SEQUENCE") for file in (STATUSES, LIFECYCLE))
        elif rule in ("value-removed", "closed-value-added") and fields:
            value = fields[-1]
            member = re.sub(r"\W+", "_", value).upper()
            yield from self._code.uses(member, value, near=near)
        elif fields:
            yield from self._code.uses(fields[-1], snake_case(fields[-1]), near=near)
            if rule == "required-field-added":
                yield from self._code.calls(schema)
                yield from self._code.uses_of_all([one for one in self._required(schema) if one != fields[-1]])
        else:
            yield from self._code.uses(schema)

    def _of_operation(self, operation: str, part: str, where: str) -> Iterator[Place]:
        name = python_name(operation)
        if not part:
            yield from routes_of(self._code, where)
        kind, _, wire = part.partition(" ")
        if kind in ("path", "query", "cookie"):
            yield from self._code.uses(wire)
            yield from self._code.uses(snake_case(wire), near={name, operation})
            yield from self._code.definitions(name)
        elif wire:  # of a header
            yield from self._code.uses(wire, wire.lower())
        else:
            yield from self._code.uses(name)
            yield from self._code.definitions(name)

    def _required(self, schema: str) -> list[str]:
        return [*self._schemas[schema].get("required", ())]

    def _holders(self, schema: str) -> Collection[str]:
        """Return the names of a schema and of all that hold it: what code that uses it mentions."""
        names = {schema}
        grown = True
        while grown:
            more = {
                name
                for name, part in self._schemas.items()
                if name not in names and any(one["$ref"].removeprefix(SCHEMAS) in names for _, one in references(part))
            }
            grown = bool(more)
            names |= more
        return names


def _schemas(document: Mapping[str, Any]) -> Mapping[str, Any]:
    schemas: Mapping[str, Any] = document.get("components", {}).get("schemas", {})
    return schemas


def said(places: Collection[Place]) -> list[str]:
    """Say places in lines, one a file."""
    lines: dict[str, list[int]] = {}
    for place in places:
        lines.setdefault(place.file, []).append(place.line)
    return [f"{file}:{', '.join(map(str, numbers))}" for file, numbers in lines.items()]
