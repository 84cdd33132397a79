"""Writes the functions that a person in a hurry would write by hand to turn one model into JSON values and back.

`converter` knows how a field is converted; here the calls that most fields do not need are taken
away: a value that is plain text or a plain number already is taken as it is. The functions are
written as text and compiled, as attrs and cattrs do it too: a loop over the fields takes twice the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PLAIN = (int, str)
"""Types of which a value is its own JSON."""


@attrs.frozen(kw_only=True)
class Field:
    """What has to be known of a model's field."""

    name: str
    wire_name: str
    """Its name in JSON."""
    kind: Any
    """Its type, without None."""
    is_optional: bool
    """Whether it may be None, which is its default then and is left out of the JSON."""
    convert: Callable[..., Any]
    """Converts a value, or raises TypeError."""


def quick_structurer(
    model: type[Any], fields: Sequence[Field], *, refuse: Callable[[object], Exception]
) -> Callable[[object, object], Any]:
    """Write a function from a JSON object to the model; it raises KeyError for what is missing.

    The constructor of a frozen class is slow, and those of the generated classes only set the
    fields. So a draft is filled, an object of the same slots that is not frozen, and then declared
    to be of the model.
    """
    names = _names(fields, model=model, Draft=type("Draft", (), {"__slots__": model.__slots__}), refuse=refuse)
    lines = ["if type(values) is not dict:", "    raise refuse(values)", "draft = Draft()"]
    for field in fields:
        key, converted = repr(field.wire_name), _converted(field, f"convert_{field.name}(value, kind_{field.name})")
        if field.is_optional:
            lines.append(f"value = values[{key}] if {key} in values else None")
            lines.append(f"draft.{field.name} = None if value is None else {converted}")
        else:
            lines.append(f"value = values[{key}]")
            lines.append(f"draft.{field.name} = {converted}")
    return _compiled("values, _", [*lines, "draft.__class__ = model", "return draft"], names)


def quick_unstructurer(
    model: type[Any], fields: Sequence[Field], *, refuse: Callable[[object], Exception]
) -> Callable[[object], dict[str, Any]]:
    """Write a function from the model to a JSON object."""
    names = _names(fields, model=model, refuse=refuse)
    lines = ["if not isinstance(instance, model):", "    raise refuse(instance)", "values = {}"]
    for field in fields:
        lines.append(f"value = instance.{field.name}")
        condition = "if value is not None: " if field.is_optional else ""
        converted = _converted(field, f"convert_{field.name}(value)")
        lines.append(f"{condition}values[{field.wire_name!r}] = {converted}")
    return _compiled("instance", [*lines, "return values"], names)


def _names(fields: Iterable[Field], **names: object) -> dict[str, Any]:
    for field in fields:
        names |= {f"kind_{field.name}": field.kind, f"convert_{field.name}": field.convert}
    return names


def _converted(field: Field, call: str) -> str:
    return f"value if type(value) is {field.kind.__name__} else {call}" if field.kind in PLAIN else call


def _compiled(parameters: str, lines: Iterable[str], names: dict[str, Any]) -> Callable[..., Any]:
    source = "\n    ".join([f"def convert({parameters}):", *lines])
    exec(source, names)  # noqa: S102 - it is made of the generated classes alone
    function: Callable[..., Any] = names["convert"]
    return function
