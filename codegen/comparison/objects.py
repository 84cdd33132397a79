"""Compares two objects by their fields."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codegen.comparison.rules import Direction
from codegen.description.flatten import flatten
from codegen.description.shapes import canonical, said_of
from codegen.documents import Json, Object

if TYPE_CHECKING:
    from codegen.comparison.schemas import SchemaComparison


def compare_objects(schemas: "SchemaComparison", place: str, old: Object, new: Object) -> None:
    """Note the differences between the fields of two objects."""
    before, after = (_fields(*side) for side in ((schemas.old, old), (schemas.new, new)))
    removed = {field: part for field, part in before.items() if field not in after}
    added = {field: part for field, part in after.items() if field not in before}
    renamed = _renamed(schemas, removed, added, old, new)
    sent = schemas.findings.direction is Direction.SENT
    hidden = "readOnly" if sent else "writeOnly"
    for field, part in removed.items():
        required = field in old.get("required", [])
        if part[1].get(hidden):
            schemas.findings.add("text-changed", f"{place}.{field}")
        elif field in renamed:
            schemas.findings.add("field-renamed", f"{place}.{field}", f"now {renamed[field]}")
        else:
            schemas.findings.add("required-field-removed" if required else "field-removed", f"{place}.{field}")
    for field, part in added.items():
        if field not in renamed.values():
            # What is read-only need not be sent, what is write-only is not received.
            required = field in new.get("required", []) and not part[1].get(hidden)
            rule = "required-field-added" if required else "field-added"
            schemas.findings.add(rule, f"{place}.{field}", said_of(schemas.new, part[0]))
    for field, part in before.items():
        if field in after:
            _compare_field(schemas, place, field, (part, after[field]), (old, new))
    _compare_additional(schemas, place, old, new)


def _fields(document: Mapping[str, Any], keywords: Object) -> dict[str, tuple[Json, Object]]:
    """Return the fields of an object, those that are only required as well, each as it is and flat."""
    parts = {**dict.fromkeys(keywords.get("required", []), True), **keywords.get("properties", {})}
    return {name: (part, flatten(document, part)) for name, part in parts.items()}


def _compare_field(
    schemas: "SchemaComparison",
    place: str,
    field: str,
    parts: tuple[tuple[Json, Object], tuple[Json, Object]],
    holders: tuple[Object, Object],
) -> None:
    (old, old_flat), (new, new_flat) = parts
    place = f"{place}.{field}"
    before, after = (field in holder.get("required", []) for holder in holders)
    findings = schemas.findings
    hidden = "readOnly" if findings.direction is Direction.SENT else "writeOnly"
    was_hidden, is_hidden = bool(old_flat.get(hidden)), bool(new_flat.get(hidden))
    if was_hidden or is_hidden:
        if not was_hidden:
            findings.add("field-read-only" if hidden == "readOnly" else "field-write-only", place)
        elif not is_hidden and hidden == "readOnly":
            findings.add("required-field-writable" if after else "field-writable", place)
        elif not is_hidden:
            findings.add("field-readable", place)
        else:
            # It does not go this way; what changes in it has no effect.
            findings.text(place, canonical(schemas.old, old), canonical(schemas.new, new))
            findings.text(place, before, after)
        return
    if before != after:
        findings.add("field-required" if after else "field-optional", place)
    elif not before:
        schemas.compare_default(place, old, new)
    if before:
        findings.text(place, old_flat.get("default"), new_flat.get("default"))
    schemas.compare(place, old, new, kind="field")


def _renamed(
    schemas: "SchemaComparison",
    removed: Mapping[str, tuple[Json, Object]],
    added: Mapping[str, tuple[Json, Object]],
    old: Object,
    new: Object,
) -> dict[str, str]:
    """Pair the fields that are alike but for name and text, where there is no choice between several."""
    before = {name: _alike_as(schemas.old, part[0], name, old) for name, part in removed.items()}
    after = {name: _alike_as(schemas.new, part[0], name, new) for name, part in added.items()}
    found: dict[str, str] = {}
    for name, one in before.items():
        candidates = [other for other, part in after.items() if part == one]
        if len(candidates) == 1 and list(before.values()).count(one) == 1:
            found[name] = candidates[0]
    return found


def _alike_as(document: Mapping[str, Any], part: Json, name: str, holder: Object) -> str:
    personal = flatten(document, part).get("x-personal", False)
    return f"{name in holder.get('required', [])} {personal} {canonical(document, part)}"


def _compare_additional(schemas: "SchemaComparison", place: str, old: Object, new: Object) -> None:
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if isinstance(before, bool) and isinstance(after, bool):
        if before != after:
            schemas.findings.add("additional-allowed" if after else "additional-refused", place)
    elif before is False or after is False:
        schemas.findings.add("type-widened" if before is False else "type-narrowed", f"{place}.*")
    else:
        schemas.compare(f"{place}.*", before, after)
