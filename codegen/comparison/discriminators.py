"""Compares the discriminators of two unions: the fields that identify their choices."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codegen.description.flatten import flatten
from codegen.description.shapes import canonical, reference_name
from codegen.documents import SCHEMAS, Json, Object

if TYPE_CHECKING:
    from codegen.comparison.schemas import SchemaComparison


def compare_discriminators(schemas: "SchemaComparison", place: str, old: Json, new: Json) -> None:
    """Note a difference in the discriminators of two schemas."""
    before, after = (flatten(*side) for side in ((schemas.old, old), (schemas.new, new)))
    one, other = before.get("discriminator"), after.get("discriminator")
    findings = schemas.findings
    if one is None and other is None:
        return
    if one is None or other is None:
        findings.add("discriminator-added" if one is None else "discriminator-removed", place)
        return
    if one.get("propertyName") != other.get("propertyName"):
        findings.add("discriminator-changed", place, f"{one.get('propertyName')} is now {other.get('propertyName')}")
    findings.rest(place, one, other, known={"propertyName", "mapping"})
    values, others = _mapping(before), _mapping(after)
    for value in {**values, **others}:
        if value not in others:
            findings.add("discriminator-value-removed", place, value)
        elif value not in values:
            findings.add("discriminator-value-added", place, value)
        elif values[value] != others[value] and _meaning(schemas.old, values[value]) != _meaning(
            schemas.new, others[value]
        ):
            findings.add("discriminator-value-changed", place, value)


def _mapping(flat: Object) -> dict[str, str]:
    """Return what each value of a discriminator stands for: a name of a schema is a value unless it has another."""
    names = {reference_name(choice) for _, choices in flat.get("unions", ()) for choice in choices} - {None}
    explicit: Mapping[str, str] = flat["discriminator"].get("mapping", {})
    targets = {value: to if "/" in to else f"{SCHEMAS}{to}" for value, to in explicit.items()}
    implicit = {str(name): f"{SCHEMAS}{name}" for name in names if f"{SCHEMAS}{name}" not in targets.values()}
    return {**implicit, **targets}


def _meaning(document: Mapping[str, Any], target: str) -> str:
    # A value may also name a schema of another document.
    return canonical(document, {"$ref": target}) if target.startswith(SCHEMAS) else target
