"""Enumerations as the generator needs them: every member with a name of its own."""

from codegen.description.flatten import same
from codegen.description.shapes import Shape
from codegen.documents import Json, Object
from codegen.preparation.keywords import described
from codegen.preparation.names import member_name


def enumeration(shape: Shape) -> Object:
    """Return the enumeration of a shape's values."""
    keywords = shape.keywords
    said = keywords.get("x-said", {})
    titles, texts = said.get("title", []), said.get("description", keywords.get("x-enum-descriptions", []))
    members: dict[str, tuple[Json, str]] = {}
    for number, value in enumerate(shape.values or ()):
        if not any(same(value, other) for other, _ in members.values()):
            title, text = (str(texts_[number] or "") if number < len(texts_) else "" for texts_ in (titles, texts))
            members[member_name(value, title, members)] = (value, text)
    return {
        **described(keywords),
        "type": shape.kind,
        "enum": [value for value, _ in members.values()],
        "x-enum-varnames": list(members),
        "x-enum-descriptions": [text for _, text in members.values()],
        "x-base": base_of(shape),
        "x-open": shape.open,
    }


def base_of(shape: Shape) -> str:
    """Return the class that an enumeration derives from."""
    if shape.kind == "string":
        return "OpenEnum" if shape.open else "StrEnum"
    return "IntEnum" if shape.kind == "integer" else "Enum"
