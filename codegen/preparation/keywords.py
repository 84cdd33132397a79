"""What the keywords of a schema ask for: a class, an enumeration or another type, and which fields."""

from collections.abc import Mapping

from codegen.description.shapes import Shape
from codegen.documents import Json, Object

SHAPING = frozenset({
    "properties", "required", "allOf", "anyOf", "oneOf", "additionalProperties", "patternProperties", "enum", "const",
    "type", "items", "prefixItems", "format",
})  # fmt: skip
"""Keywords beside a reference that make another type of it."""


def is_class(shape: Shape) -> bool:
    """Whether a shape has fields of its own."""
    named = shape.keywords.get("properties") or shape.keywords.get("required")
    return shape.kind == "object" and shape.values is None and bool(named)


def is_constant(shape: Shape) -> bool:
    """Whether a shape is a single value that an annotation can say."""
    return (
        shape.values is not None
        and len(shape.values) == 1
        and bool(shape.keywords.get("x-const"))
        and isinstance(shape.values[0], (str, int))
    )


def is_enumeration(shape: Shape) -> bool:
    """Whether a shape lists values of one type."""
    return shape.kind in ("string", "integer", "number") and shape.values is not None and not is_constant(shape)


def fields_of(keywords: Object) -> dict[str, Json]:
    """Return the fields of an object: those described, those of its conditions, and those only required."""
    found: dict[str, Json] = dict(keywords.get("properties", {}))
    for part in (keywords.get("then"), keywords.get("else"), *keywords.get("dependentSchemas", {}).values()):
        if isinstance(part, dict):
            found = {**part.get("properties", {}), **found}
    return found | {name: True for name in keywords.get("required", ()) if name not in found}


def tagged(keywords: Object, tags: Mapping[str, list[str]]) -> Object:
    """Return the keywords of a named schema, the fields that identify it in a union with the values that do so."""
    found: dict[str, Json] = dict(keywords.get("properties", {}))
    for name, values in tags.items():
        schema = found.get(name, True)
        if schema is True or (isinstance(schema, dict) and not schema.keys() & {"enum", "const", "$ref", "allOf"}):
            about = {key: value for key, value in schema.items() if key == "description"} if schema is not True else {}
            given = {"const": values[0]} if len(values) == 1 else {"type": "string", "enum": values}
            found[name] = {**given, **about}
    return {**keywords, "properties": found}


def described(schema: Object) -> Object:
    """Return what the generated module says of a schema."""
    return {key: schema[key] for key in ("description", "x-source") if isinstance(schema.get(key), str)}


def meaning(node: Json) -> Json:
    """Return a prepared schema without what has no influence on its data."""
    if isinstance(node, dict):
        return {key: meaning(value) for key, value in node.items() if key != "description"}
    return node
