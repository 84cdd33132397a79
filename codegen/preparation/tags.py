"""The values by which discriminators identify the choices of a union, for each named schema."""

from collections.abc import Iterator, Mapping
from typing import Any

from codegen.description.shapes import reference_name
from codegen.documents import SCHEMAS, Json, Object
from codegen.preparation.choices import extends

Tags = dict[str, dict[str, list[str]]]
"""By the name of a schema and by the name of a field: the values that the field has."""


def tags_of(document: Mapping[str, Any]) -> Tags:
    """Return the values of the fields that identify the named schemas of a description."""
    tags: Tags = {}
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        for holder in _holders(schema):
            discriminator = holder["discriminator"]
            field = discriminator["propertyName"]
            mapping = {value: _target(target) for value, target in discriminator.get("mapping", {}).items()}
            for kind in _kinds(document, name if holder is schema else None, holder):
                values = [value for value, target in mapping.items() if target == kind] or [kind]
                known = tags.setdefault(kind, {}).setdefault(field, [])
                known += [value for value in values if value not in known]
    return tags


def kinds_of(document: Mapping[str, Any], name: str) -> list[str]:
    """Return the schemas that extend one whose discriminator identifies them without a union that lists them."""
    schema = document["components"]["schemas"][name]
    if not isinstance(schema, dict) or "discriminator" not in schema or schema.keys() & {"oneOf", "anyOf"}:
        return []
    return [kind for kind in document["components"]["schemas"] if kind != name and extends(document, kind, {name})]


def _kinds(document: Mapping[str, Any], name: str | None, holder: Object) -> list[str]:
    listed = [reference_name(one) for kind in ("oneOf", "anyOf") for one in holder.get(kind, ())]
    found = [kind for kind in listed if kind is not None]
    return found or (kinds_of(document, name) if name is not None else [])


def _holders(node: Json) -> Iterator[Object]:
    """Yield each schema with a discriminator, in a schema or as the schema itself."""
    if isinstance(node, dict):
        match node:
            case {"discriminator": {"propertyName": str()}}:
                yield node
            case _:
                pass
        for value in node.values():
            yield from _holders(value)
    elif isinstance(node, list):
        for value in node:
            yield from _holders(value)


def _target(target: str) -> str:
    return target.removeprefix(SCHEMAS)
