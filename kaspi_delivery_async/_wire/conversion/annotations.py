"""What the annotations and metadata of a model's fields say about its JSON."""

from __future__ import annotations

from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, Unpack, get_args, get_origin

import attrs

from kaspi_delivery_async._open_enum import OpenEnum

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_model(annotation: object) -> bool:
    """Whether it is an attrs class."""
    return isinstance(annotation, type) and attrs.has(annotation)


def is_tuple(annotation: object) -> bool:
    """Whether it is a tuple, which is an array in JSON."""
    return get_origin(annotation) is tuple


def is_map(annotation: object) -> bool:
    """Whether it is a dict, which is an object in JSON whose names are data."""
    return get_origin(annotation) is dict


def is_literal(annotation: object) -> bool:
    """Whether it lists its values."""
    return get_origin(annotation) is Literal


def is_closed_enum(annotation: object) -> bool:
    """Whether it is an enumeration without other values than its members."""
    return isinstance(annotation, type) and issubclass(annotation, Enum) and not issubclass(annotation, OpenEnum)


def is_union(annotation: object) -> bool:
    """Whether the value may be of one of several types, None included."""
    return get_origin(annotation) in (UnionType, Union)


def is_optional(annotation: object) -> bool:
    """Whether the value may be None."""
    return annotation is NoneType or (is_union(annotation) and NoneType in get_args(annotation))


def without_none(annotation: Any) -> Any:
    """Return the annotation without its None."""
    if not is_union(annotation):
        return annotation
    kept: list[Any] = [argument for argument in get_args(annotation) if argument is not NoneType]
    union = kept[0]
    for argument in kept[1:]:
        union = union | argument
    return union


def elements_of(annotation: Any, count: int) -> list[Any] | None:
    """Return the annotations of a tuple's elements, or None if it cannot have so many."""
    first = list(get_args(annotation))
    rest: list[Any] = []
    if first[-1:] == [Ellipsis]:
        first, rest = [], first[:1]
    elif first and get_origin(first[-1]) is Unpack:  # any number of another type at the end
        (tail,) = get_args(first.pop())
        rest = list(get_args(tail)[:1])
    if count < len(first) or (not rest and count > len(first)):
        return None
    return first + rest * (count - len(first))


def has_tags(values: Mapping[Any, object], model: type[Any], *, literal: bool = False) -> bool:
    """Whether an object has, in each field of which the values are listed, one of these.

    With `literal`, whether there is such a field, of a type that is nothing but the list.
    """
    listed = [(values.get(wire_name(field)), field.type) for field in fields_of(model)]
    if literal:
        listed = [(value, kind) for value, kind in listed if is_literal(kind)]
    return all(values_of(kind) is None or value in (values_of(kind) or ()) for value, kind in listed) and bool(listed)


def values_of(annotation: Any) -> list[Any] | None:
    """Return the only values that a type allows, None if it lists none."""
    if is_literal(annotation):
        return list(get_args(annotation))
    return [member.value for member in annotation] if is_closed_enum(annotation) else None


def fields_of(model: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    """Return a model's fields with annotations that are types, not text."""
    attrs.resolve_types(model)
    return attrs.fields(model)  # type: ignore[no-any-return]


def wire_name(field: attrs.Attribute[Any]) -> str:
    """Return a field's name in JSON."""
    return field.metadata.get("wire", field.name)  # type: ignore[no-any-return]


def is_rest(field: attrs.Attribute[Any]) -> bool:
    """Whether a field holds what an object has under names that are not described."""
    return "additional" in field.metadata
