"""Python names for what a description calls as it likes."""

import keyword
import re
import unicodedata
from collections.abc import Container

from codegen.description.naming import pascal_case, snake_case
from codegen.documents import Json

TAKEN_CLASSES = frozenset({
    "Any", "Decimal", "Enum", "Final", "IntEnum", "Literal", "NoneType", "None", "OpenEnum", "StrEnum", "TypeAlias",
    "True", "False",
})  # fmt: skip
"""What a class would hide that the generated module needs."""

TAKEN_ATTRIBUTES = frozenset({
    "attrs", "bool", "date", "datetime", "dict", "float", "int", "self", "str", "tuple", "list",
})  # fmt: skip
"""What an attribute would hide, inside its class, that annotations and methods need."""


def class_name(text: str, taken: Container[str] = ()) -> str:
    """Return the name of a class for any text, with a number if the name is taken."""
    name = _identifier(pascal_case(text), digit="Model")
    name = name[:1].upper() + name[1:] or "Model"
    return _free(f"{name}Model" if name in TAKEN_CLASSES or keyword.iskeyword(name) else name, taken, "")


def attribute_name(text: str, taken: Container[str] = ()) -> str:
    """Return the name of an attribute for any text, with a number if the name is taken."""
    name = _identifier(snake_case(text), digit="field_") or "field"
    name = f"{name}_" if name in TAKEN_ATTRIBUTES or keyword.iskeyword(name) else name
    return _free(name, taken, "_")


def member_name(value: Json, title: str = "", taken: Container[str] = ()) -> str:
    """Return the name of an enumeration's member, by its title if the value is a number."""
    if isinstance(value, str):
        text = value if re.search(r"[^\W_]", value) else "_".join(unicodedata.name(sign, "") for sign in value)
        name = _identifier(snake_case(text), digit="VALUE_") or "EMPTY"
    else:
        text = f"value_{value}".replace("-", "minus_").replace(".", "_")
        name = _identifier(snake_case(title), digit="VALUE_") or text
    return _free(_normal(name.upper()), taken, "_")


def _identifier(text: str, *, digit: str) -> str:
    """Return what may stand in an identifier; one that would begin with a digit gets something before it."""
    name = _normal(re.sub(r"\W+", "_", text)).strip("_")
    name = "".join(sign for sign in name if f"a{sign}".isidentifier())
    return name if not name or name.isidentifier() else f"{digit}{name}"


def _normal(name: str) -> str:
    """Return a name as Python itself reads it."""
    return unicodedata.normalize("NFKC", name)


def _free(name: str, taken: Container[str], separator: str) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}{separator}{number}"
    return free
