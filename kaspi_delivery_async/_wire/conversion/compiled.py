"""Compiles one structure and one unstructure function for each model, as attrs and cattrs do.

`converter` knows how a field is converted. Here the calls that most fields do not need are left out: a value that is
plain text or a plain number already is taken as it is. The functions are written as text, because a loop over the
fields takes twice the time.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async._open_enum import OpenEnum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

PLAIN = (int, str)
"""Types of which a value is its own JSON."""


@attrs.frozen(kw_only=True)
class Field:
    """One field of a model, as a compiled function needs to know it."""

    name: str
    wire_name: str
    """Its name in JSON."""
    kind: Any
    """Its type, without None."""
    is_optional: bool
    """Whether it may be None."""
    is_required: bool
    """Whether it has no default: it must be there, as null where it is None."""
    is_read_only: bool
    """Whether it is received only."""
    is_rest: bool
    """Whether it holds what the object has under other names."""
    convert: Callable[..., Any]
    """Converts a value, or raises `WrongTypeError`."""


def compile_structure(
    model: type[Any], fields: Sequence[Field], *, closed: bool, refuse: Callable[[object], Exception]
) -> Callable[[object, object], Any]:
    """Compile a function from a JSON object to the model; it raises KeyError for what is missing.

    It raises ``refuse(values)`` for what is no object and, if ``closed``, for an object with other fields.

    The constructor of a frozen class is slow, and those of the generated classes only set the fields. So a new
    instance is filled through the descriptors of its slots.
    """
    names = _names(fields, model=model, new=object.__new__, refuse=refuse)
    names |= {f"set_{field.name}": getattr(model, field.name).__set__ for field in fields}
    names["wire_names"] = frozenset(field.wire_name for field in fields if not field.is_rest)
    closed = closed and not any(field.is_rest for field in fields)
    accepted = "type(values) is dict" + (" and values.keys() <= wire_names" if closed else "")
    lines = [f"if not ({accepted}):", "    raise refuse(values)", "instance = new(model)"]
    for field in fields:
        key, name = repr(field.wire_name), field.name
        if field.is_rest:
            lines.append("value = {name: values[name] for name in values if name not in wire_names}")
            lines.append(f"set_{name}(instance, {_structured(field)})")
        elif field.is_optional:
            lines.append(f"value = values[{key}]" + ("" if field.is_required else f" if {key} in values else None"))
            lines.append(f"set_{name}(instance, None if value is None else {_structured(field)})")
        else:
            lines.append(f"value = values[{key}]")
            lines.append(f"set_{name}(instance, {_structured(field)})")
    for field in fields:
        if _is_open_enum(field.kind):
            names[f"member_{field.name}"] = {str.__str__(member): member for member in field.kind}.get
    return _compiled("values, _", [*lines, "return instance"], names)


def compile_unstructure(
    model: type[Any], fields: Sequence[Field], *, refuse: Callable[[object], Exception]
) -> Callable[[object], dict[str, Any]]:
    """Compile a function from the model, or a subclass of it, to a JSON object with the model's own fields."""
    names = _names(fields, model=model, refuse=refuse)
    lines = ["if not isinstance(instance, model):", "    raise refuse(instance)"]
    # A dictionary with all of its keys at once is made sooner than one that grows.
    always = list(takewhile(_is_always_written, fields))
    lines += [f"value_{field.name} = instance.{field.name}" for field in always]
    lines.append(f"values = {{{', '.join(f'{field.wire_name!r}: {_unstructured(field)}' for field in always)}}}")
    for field in fields[len(always) :]:
        if field.is_read_only:
            continue
        value = f"value_{field.name}"
        lines.append(f"{value} = instance.{field.name}")
        if field.is_rest:
            lines.append(f"values = {{**convert_{field.name}({value}), **values}}")
            continue
        condition = f"if {value} is not None: " if field.is_optional and not field.is_required else ""
        lines.append(f"{condition}values[{field.wire_name!r}] = {_unstructured(field)}")
    return _compiled("instance", [*lines, "return values"], names)


def _names(fields: Iterable[Field], **names: object) -> dict[str, Any]:
    for field in fields:
        names |= {f"kind_{field.name}": field.kind, f"convert_{field.name}": field.convert}
    return names


def _structured(field: Field) -> str:
    call = f"convert_{field.name}(value, kind_{field.name})"
    if field.kind in PLAIN:
        return _unless_plain(field, call)
    if _is_open_enum(field.kind):
        return f"(type(value) is str and member_{field.name}(value)) or {call}"
    return call


def _is_always_written(field: Field) -> bool:
    return not field.is_read_only and not field.is_rest and (field.is_required or not field.is_optional)


def _unstructured(field: Field) -> str:
    value = f"value_{field.name}"
    converted = f"convert_{field.name}({value})"
    if field.kind in PLAIN:
        converted = _unless_plain(field, converted, value)
    return f"None if {value} is None else {converted}" if field.is_optional and field.is_required else converted


def _unless_plain(field: Field, call: str, value: str = "value") -> str:
    return f"{value} if type({value}) is {field.kind.__name__} else {call}"


def _is_open_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, OpenEnum)


def _compiled(parameters: str, lines: Iterable[str], names: dict[str, Any]) -> Callable[..., Any]:
    source = "\n    ".join([f"def convert({parameters}):", *lines])
    exec(source, names)  # noqa: S102 - it is made of the generated classes alone
    function: Callable[..., Any] = names["convert"]
    return function
