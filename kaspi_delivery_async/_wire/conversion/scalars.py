"""Single values of the types that this API does not use yet, but another version of its description may."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from kaspi_delivery_async._wire.conversion.annotations import is_literal
from kaspi_delivery_async._wire.conversion.thorough import WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter

_is_date = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_is_decimal = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


def register_scalars(converter: Converter) -> None:
    """Let a converter read and write booleans, fractions, dates, decimal texts and closed enumerations, strictly."""
    converter.register_structure_hook(bool, lambda value, _: _boolean(value))
    converter.register_structure_hook(float, lambda value, _: _number(value))
    converter.register_structure_hook(date, _structure_date)
    converter.register_structure_hook(Decimal, _structure_decimal)
    for kind in (Enum, IntEnum, StrEnum):
        converter.register_structure_hook(kind, _structure_enum)
        converter.register_unstructure_hook(kind, _unstructure_enum)
    converter.register_structure_hook_func(is_literal, _literal)
    converter.register_structure_hook(NoneType, _null)
    converter.register_unstructure_hook(bool, _boolean)
    converter.register_unstructure_hook(float, _number)
    converter.register_unstructure_hook(date, _unstructure_date)
    converter.register_unstructure_hook(Decimal, _unstructure_decimal)
    converter.register_unstructure_hook(NoneType, _null)
    converter.register_unstructure_hook_factory(is_literal, _literal_unstructurer)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongTypeError("a boolean", value)
    return value


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongTypeError("a number", value)
    if not math.isfinite(value):
        raise WrongTypeError("a finite number", value)
    return value


def _structure_date(value: object, _: object) -> date:
    if isinstance(value, str) and _is_date(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # a day that no month has
    raise WrongTypeError("a date such as 2024-06-11", value)


def _unstructure_date(value: object) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise WrongTypeError("a date", value)
    return value.isoformat()


def _structure_decimal(value: object, _: object) -> Decimal:
    if not isinstance(value, str) or not _is_decimal(value):
        raise WrongTypeError("a decimal number as text", value)
    return Decimal(value)


def _unstructure_decimal(value: object) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise WrongTypeError("a finite decimal number", value)
    return format(value, "f")


def _structure_enum(value: object, enum: type[Enum]) -> Any:
    for member in enum:
        if _same(member.value, value):
            return member
    raise WrongTypeError("one of the listed values", value)


def _unstructure_enum(value: object) -> Any:
    if not isinstance(value, Enum):
        raise WrongTypeError("a member of the enumeration", value)
    return value.value


def _null(value: object, _: object = None) -> None:
    if value is not None:
        raise WrongTypeError("null", value)


def _literal_unstructurer(kind: Any) -> Callable[[object], Any]:
    return partial(_literal, kind=kind)


def _literal(value: object, kind: Any) -> Any:
    for listed in get_args(kind):
        if _same(listed, value):
            return listed
    raise WrongTypeError(" or ".join(json.dumps(listed, ensure_ascii=False) for listed in get_args(kind)), value)


def _same(listed: object, value: object) -> bool:
    """Whether a value is a listed one: `True` equals 1, but is no number."""
    return listed == value and isinstance(listed, bool) == isinstance(value, bool)
