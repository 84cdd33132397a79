"""What the annotations and metadata of a model's fields say about its JSON."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import attrs


def is_model(annotation: object) -> bool:
    """Whether it is an attrs class."""
    return isinstance(annotation, type) and attrs.has(annotation)


def is_tuple(annotation: object) -> bool:
    """Whether it is a tuple of any number of elements, which is an array in JSON."""
    return get_origin(annotation) is tuple


def is_optional(annotation: object) -> bool:
    """Whether the value may be None."""
    return get_origin(annotation) is UnionType and NoneType in get_args(annotation)


def without_none(annotation: Any) -> Any:
    """Return the annotation without its None."""
    if not is_optional(annotation):
        return annotation
    (inner,) = (argument for argument in get_args(annotation) if argument is not NoneType)
    return inner


def element_of(annotation: Any) -> Any:
    """Return the annotation of a tuple's elements."""
    return get_args(annotation)[0]


def fields_of(model: type[Any]) -> tuple[attrs.Attribute[Any], ...]:
    """Return a model's fields with annotations that are types, not text."""
    attrs.resolve_types(model)
    return attrs.fields(model)  # type: ignore[no-any-return]


def wire_name(field: attrs.Attribute[Any]) -> str:
    """Return a field's name in JSON."""
    return field.metadata.get("wire", field.name)  # type: ignore[no-any-return]
