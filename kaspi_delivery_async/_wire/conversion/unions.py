"""Values of several types: an object becomes the model of which it has the most fields, a text a date if it is one."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any, cast, get_args

from kaspi_delivery_async._open_enum import OpenEnum
from kaspi_delivery_async._wire.conversion.annotations import (
    fields_of,
    is_map,
    is_model,
    is_union,
    values_of,
    wire_name,
)
from kaspi_delivery_async._wire.conversion.thorough import WrongTypeError, likely_members

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter


def register_unions(converter: Converter) -> None:
    """Let a converter read and write values of several types."""
    converter.register_structure_hook_factory(is_union, _union_structurer)
    converter.register_unstructure_hook_factory(is_union, _union_unstructurer)


def _union_structurer(annotation: Any, converter: Converter) -> Callable[[object, object], Any]:
    members = _members(annotation)

    def structure_union(value: Any, _: object) -> Any:
        found: list[tuple[float, Any]] = []
        for member in likely_members(value, members):
            try:
                result = converter.get_structure_hook(member)(value, member)
            except (KeyError, WrongTypeError):
                continue
            if not isinstance(value, dict):
                return result
            values = cast("dict[str, object]", value)
            found.append((_fit(values, member), result))
        if not found:
            raise WrongTypeError(_said(members), cast("object", value))
        return max(found, key=lambda one: one[0])[1]

    return structure_union


def _union_unstructurer(annotation: Any, converter: Converter) -> Callable[[object], Any]:
    members = _members(annotation)

    def unstructure_union(value: Any) -> Any:
        for member in members:
            try:
                return converter.get_unstructure_hook(member)(value)
            except WrongTypeError:
                continue
        raise WrongTypeError(_said(members), value)

    return unstructure_union


def _members(annotation: Any) -> list[Any]:
    """Return the members of a union, those first that take fewer values."""
    return sorted(get_args(annotation), key=_rank)


def _rank(member: Any) -> int:
    if values_of(member) is not None or member in (NoneType, bool, int):
        return 0
    if isinstance(member, type) and issubclass(member, (date, Decimal)):
        return 1
    if isinstance(member, type) and issubclass(member, OpenEnum):
        return 2
    return 3


def _fit(value: dict[str, object], member: Any) -> float:
    """Return how many of an object's fields a member knows; a map knows none, but keeps them all."""
    if is_map(member):
        return 0.5 if value else -1
    return sum(wire_name(field) in value for field in fields_of(member)) if is_model(member) else 0


def _said(members: list[Any]) -> str:
    names: dict[Any, str] = {bool: "a boolean", float: "a number", int: "an integer", str: "a string", NoneType: "null"}
    return " or ".join(
        names[member] if member in names else str(getattr(member, "__name__", member)) for member in members
    )
