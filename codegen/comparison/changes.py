"""Compares two descriptions and names every change by its rule."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeVar

import attrs

from codegen.comparison.rules import BREAKING, RULES, Impact
from codegen.comparison.surface import Field, Operation, Schema, Surface

T = TypeVar("T")

UPPER = {"maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"}
LOWER = {"minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"}


@attrs.frozen(kw_only=True)
class Change:
    """One difference: the rule it falls under and what that means, where and what it is, and whom it touches."""

    rule: str
    meaning: str
    place: str
    detail: str
    impacts: frozenset[Impact]


@attrs.frozen
class Finding:
    """A difference before it is judged."""

    rule: str
    place: str
    detail: str = ""


def compare(old: Surface, new: Surface) -> tuple[Change, ...]:
    """Return every change from the old description to the new one, in the order of the description."""
    whole = chain(_compare_servers(old, new), _compare_operations(old.operations, new.operations))
    changes = [_judged(finding, sent=True, received=True) for finding in whole]
    for name, before, after in _pairs(old.schemas, new.schemas):
        # A schema that no operation uses may be used anywhere.
        sent = name in old.sent | new.sent
        received = name in old.received | new.received or not sent
        changes += [_judged(finding, sent=sent, received=received) for finding in _compare_schemas(name, before, after)]
    return tuple(changes)


def _judged(finding: Finding, *, sent: bool, received: bool) -> Change:
    rule = RULES[finding.rule]
    impacts = (rule.sent if sent else frozenset()) | (rule.received if received else frozenset())
    return Change(
        rule=finding.rule,
        meaning=rule.meaning,
        place=finding.place,
        detail=finding.detail,
        impacts=impacts & BREAKING or frozenset({min(impacts, key=list(Impact).index)}),
    )


def _pairs(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in {**old, **new}:
        yield name, old.get(name), new.get(name)


def _compare_servers(old: Surface, new: Surface) -> Iterator[Finding]:
    for url in old.servers:
        if url not in new.servers:
            yield Finding("server-removed", url)
    for url in new.servers:
        if url not in old.servers:
            yield Finding("server-added", url)


def _compare_operations(old: Mapping[str, Operation], new: Mapping[str, Operation]) -> Iterator[Finding]:
    removed = {operation.place: name for name, operation in old.items() if name not in new}
    renamed = {name: removed[operation.place] for name, operation in new.items() if operation.place in removed}
    for name, operation in old.items():
        if name not in new and name not in renamed.values():
            yield Finding("operation-removed", name, operation.place)
    for name, operation in new.items():
        if name in renamed:
            yield Finding("operation-renamed", renamed[name], f"now {name}")
        if name in renamed or name in old:
            yield from _compare_operation(name, old[renamed.get(name, name)], operation)
        else:
            yield Finding("operation-added", name, operation.place)


def _compare_operation(name: str, old: Operation, new: Operation) -> Iterator[Finding]:
    if old.place != new.place:
        yield Finding("operation-moved", name, f"{old.place} is now {new.place}")
    if old.security != new.security:
        yield Finding("security-changed", name)
    for parameter, before, after in _pairs(old.parameters, new.parameters):
        yield from _compare_parameters(f"{name}, {parameter}", before, after)
    if old.body != new.body:
        yield Finding("body-changed", name, f"{old.body or 'nothing'} is now {new.body or 'nothing'}")
    elif old.body_required != new.body_required:
        yield Finding("body-required" if new.body_required else "body-optional", name)
    for status, kind, other in _pairs(old.answers, new.answers):
        yield from _compare_answers(name, status, kind, other)
    for header in sorted(old.headers - new.headers):
        yield Finding("header-removed", f"{name}, {header}")
    for header in sorted(new.headers - old.headers):
        yield Finding("header-added", f"{name}, {header}")
    if old.texts != new.texts:
        yield Finding("text-changed", name)


def _compare_parameters(place: str, old: Field | None, new: Field | None) -> Iterator[Finding]:
    if new is None:
        yield Finding("parameter-removed", place)
    elif old is None:
        yield Finding("required-parameter-added" if new.required else "parameter-added", place)
    else:
        if (old.type, old.nullable) != (new.type, new.nullable):
            yield Finding("parameter-changed", place, f"{old.type} is now {new.type}")
        if old.required != new.required:
            yield Finding("parameter-required" if new.required else "parameter-optional", place)
        yield from _compare_bounds(place, old, new)
        if old.texts != new.texts:
            yield Finding("text-changed", place)


def _compare_answers(name: str, status: str, old: str | None, new: str | None) -> Iterator[Finding]:
    place = f"{name}, {status}"
    if old is not None and new is not None:
        if old != new:
            yield Finding("answer-changed", place, f"{old or 'nothing'} is now {new or 'nothing'}")
    elif status.startswith("2"):
        yield Finding("success-changed", place, "gone" if new is None else "new")
    else:
        yield Finding("error-removed" if new is None else "error-added", place)


def _compare_schemas(name: str, old: Schema | None, new: Schema | None) -> Iterator[Finding]:
    if new is None:
        yield Finding("schema-removed", name)
    elif old is None:
        yield Finding("schema-added", name)
    elif (old.type, bool(old.values)) != (new.type, bool(new.values)):
        yield Finding("schema-changed", name, f"{old.type} is now {new.type}")
    else:
        yield from _compare_fields(name, old.fields, new.fields)
        yield from _compare_values(name, old, new)
        if old.texts != new.texts:
            yield Finding("text-changed", name)


def _compare_values(name: str, old: Schema, new: Schema) -> Iterator[Finding]:
    if old.open != new.open:
        yield Finding("enum-opened" if new.open else "enum-closed", name)
    for value in old.values:
        if value not in new.values:
            yield Finding("value-removed", f"{name}.{value}")
    for value in new.values:
        if value not in old.values:
            yield Finding("value-added" if old.open else "closed-value-added", f"{name}.{value}")


def _compare_fields(name: str, old: Mapping[str, Field], new: Mapping[str, Field]) -> Iterator[Finding]:
    removed = {field: old[field] for field in old if field not in new}
    added = {field: new[field] for field in new if field not in old}
    renamed = dict(_renamed(removed, added))
    for field, part in removed.items():
        if field in renamed:
            yield Finding("field-renamed", f"{name}.{field}", f"now {renamed[field]}")
        else:
            yield Finding("required-field-removed" if part.required else "field-removed", f"{name}.{field}")
    for field, part in added.items():
        if field not in renamed.values():
            yield Finding("required-field-added" if part.required else "field-added", f"{name}.{field}", part.type)
    for field in old:
        if field in new:
            yield from _compare_field(f"{name}.{field}", old[field], new[field])


def _renamed(removed: Mapping[str, Field], added: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    """Pair the fields that are alike but for name and text, where there is no choice between several."""

    def alike(fields: Mapping[str, Field], to: Field) -> list[str]:
        return [name for name, field in fields.items() if attrs.evolve(field, texts={}) == attrs.evolve(to, texts={})]

    for name, field in removed.items():
        candidates = alike(added, field)
        if len(candidates) == 1 and alike(removed, field) == [name]:
            yield name, candidates[0]


def _compare_field(place: str, old: Field, new: Field) -> Iterator[Finding]:
    if old.type != new.type:
        yield Finding("field-changed", place, f"{old.type} is now {new.type}")
    if old.required != new.required:
        yield Finding("field-required" if new.required else "field-optional", place)
    if old.nullable != new.nullable:
        yield Finding("field-nullable" if new.nullable else "field-not-nullable", place)
    if old.personal != new.personal:
        yield Finding("personal-marked" if new.personal else "personal-unmarked", place)
    yield from _compare_bounds(place, old, new)
    if old.texts != new.texts:
        yield Finding("text-changed", place)


def _compare_bounds(place: str, old: Field, new: Field) -> Iterator[Finding]:
    for bound, before, after in _pairs(old.bounds, new.bounds):
        if before != after:
            looser = after is None or (
                before is not None and ((bound in UPPER and after > before) or (bound in LOWER and after < before))
            )
            detail = f"{bound} {'none' if before is None else before} is now {'none' if after is None else after}"
            yield Finding("bounds-loosened" if looser else "bounds-tightened", place, detail)
