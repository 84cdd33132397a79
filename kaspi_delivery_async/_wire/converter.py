"""Turns models into plain JSON values and back, strictly: a wrong type is an error with its path, never a conversion.

The rules come from the generated classes themselves: a field's wire name stands in its metadata
under ``wire``, optional fields that are None are left out, unknown fields are ignored, and
unknown enum members keep their text.
"""

from __future__ import annotations

import functools
from datetime import datetime
from types import GenericAlias, NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args, get_origin

import attrs
from cattrs import ClassValidationError, Converter, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from kaspi_delivery_async._open_enum import OpenEnum
from kaspi_delivery_async._wire.compiled import Field, quick_structurer, quick_unstructurer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_JSON_NAMES: dict[type, str] = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "an array",
    str: "a string",
    NoneType: "null",
}


class ConversionError(ValueError):
    """A value does not have the shape of its model; ``problems`` lists where and what, never the value."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{path}: {problem}" for path, problem in problems))
        self.problems = problems


def structure(value: object, model: type[T]) -> T:
    """Build ``model`` from plain JSON values, or raise `ConversionError` with every path that is wrong."""
    try:
        return _converter.structure(value, model)
    except (KeyError, TypeError):
        pass  # at the first thing that is wrong; all of them are found below
    try:
        return _thorough_converter.structure(value, model)
    except (ClassValidationError, _WrongTypeError) as error:
        raise ConversionError(tuple(_problems(error, "$"))) from None


def unstructure(model: object) -> dict[str, Any]:
    """Turn ``model`` into plain JSON values, or raise `ConversionError` if a field holds a value of a wrong type."""
    try:
        return _converter.unstructure(model)  # type: ignore[no-any-return]
    except _WrongTypeError:
        raise ConversionError(tuple(_misfits(model, type(model), "$"))) from None


class _WrongTypeError(TypeError):
    def __init__(self, expected: str, value: object) -> None:
        got = _JSON_NAMES.get(type(value)) or type(value).__name__
        super().__init__(f"expected {expected}, got {got}")


def _structure_string(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise _WrongTypeError("a string", value)
    return value


def _structure_integer(value: object, _: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():  # JSON knows one kind of number: 800.0 is 800
        return int(value)
    raise _WrongTypeError("an integer", value)


_parse_time = datetime.fromisoformat


def _structure_datetime(value: Any, _: object) -> datetime:
    try:
        moment = _parse_time(value)
    except TypeError:
        raise _WrongTypeError("an RFC 3339 time", value) from None
    except ValueError:
        try:
            moment = _parse_time(value.upper())  # RFC 3339 allows "t" and "z"
        except ValueError:
            raise _WrongTypeError("an RFC 3339 time", value) from None
    if moment.tzinfo is None:
        raise _WrongTypeError("an RFC 3339 time with its offset", value)
    return moment


def _structure_open_enum(value: object, enum: type[OpenEnum]) -> OpenEnum:
    member = _members(enum).get(value) if type(value) is str else None
    return member or enum(_structure_string(value, str))


@functools.cache
def _members(enum: type[OpenEnum]) -> dict[str, OpenEnum]:
    return {str(member): member for member in enum}


def _optional_structurer(annotation: Any, converter: Converter) -> Callable[[object, object], Any]:
    inner = _without_none(annotation)
    structure_inner = converter.get_structure_hook(inner)

    def structure_optional(value: object, _: object) -> Any:
        return None if value is None else structure_inner(value, inner)

    return structure_optional


def _model_structurer(model: type[Any], converter: Converter) -> Callable[[object, object], Any]:
    if converter.detailed_validation:
        return _thorough_structurer(model, converter)
    fields = _fields(model, converter.get_structure_hook)
    return quick_structurer(model, fields, refuse=functools.partial(_WrongTypeError, "an object"))


def _thorough_structurer(model: type[Any], converter: Converter) -> Callable[[object, object], Any]:
    attrs.resolve_types(model)
    wire_names: dict[str, Any] = {field.name: override(rename=_wire_name(field)) for field in attrs.fields(model)}
    from_dict = make_dict_structure_fn(model, converter, **wire_names)

    def structure_model(value: object, _: object) -> Any:
        if not isinstance(value, dict):
            raise _WrongTypeError("an object", value)
        return from_dict(cast("dict[str, Any]", value), model)

    return structure_model


def _tuple_structurer(annotation: Any, converter: Converter) -> Callable[[object, object], tuple[Any, ...]]:
    # For lists, cattrs keeps the index of a wrong element.
    list_type = GenericAlias(list, get_args(annotation)[0])
    from_list = converter.get_structure_hook(list_type)

    def structure_tuple(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _WrongTypeError("an array", value)
        return tuple(from_list(value, list_type))

    return structure_tuple


def _unstructure_string(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongTypeError("a string", value)
    return str(value)


def _unstructure_integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _WrongTypeError("an integer", value)
    return value


def _unstructure_datetime(value: object) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _WrongTypeError("a datetime with its time zone", value)
    return value.isoformat().replace("+00:00", "Z")


def _model_unstructurer(model: type[Any], converter: Converter) -> Callable[[object], dict[str, Any]]:
    fields = _fields(model, converter.get_unstructure_hook)
    return quick_unstructurer(model, fields, refuse=functools.partial(_WrongTypeError, model.__name__))


def _tuple_unstructurer(annotation: Any, converter: Converter) -> Callable[[object], list[Any]]:
    unstructure_element = converter.get_unstructure_hook(get_args(annotation)[0])

    def unstructure_tuple(value: Any) -> list[Any]:
        if not issubclass(type(value), tuple):
            raise _WrongTypeError("a tuple", value)
        return [unstructure_element(element) for element in value]

    return unstructure_tuple


def _is_tuple(annotation: object) -> bool:
    return get_origin(annotation) is tuple


def _is_optional(annotation: object) -> bool:
    return get_origin(annotation) is UnionType and NoneType in get_args(annotation)


def _without_none(annotation: Any) -> Any:
    if not _is_optional(annotation):
        return annotation
    (inner,) = (argument for argument in get_args(annotation) if argument is not NoneType)
    return inner


def _fields(model: type[Any], hook: Callable[[Any], Callable[..., Any]]) -> list[Field]:
    attrs.resolve_types(model)
    return [
        Field(
            name=field.name,
            wire_name=_wire_name(field),
            kind=_without_none(field.type),
            is_optional=_is_optional(field.type),
            convert=hook(_without_none(field.type)),
        )
        for field in attrs.fields(model)
    ]


def _wire_name(field: attrs.Attribute[Any]) -> str:
    return field.metadata.get("wire", field.name)  # type: ignore[no-any-return]


def _problems(error: BaseException, path: str) -> Iterator[tuple[str, str]]:
    """Flatten the errors that cattrs collected into (path in wire names, what is wrong there)."""
    if isinstance(error, ClassValidationError):
        wire_names = {field.name: _wire_name(field) for field in attrs.fields(error.cl)}
        for inner, note in error.group_exceptions()[0]:
            yield from _problems(inner, f"{path}.{wire_names[note.name]}")
    elif isinstance(error, IterableValidationError):
        for inner, index_note in error.group_exceptions()[0]:
            yield from _problems(inner, f"{path}[{index_note.index}]")
    elif isinstance(error, KeyError):
        yield path, "is missing"
    else:
        yield path, str(error)


def _misfits(value: object, annotation: Any, path: str) -> Iterator[tuple[str, str]]:
    """Name every place at or below ``path`` whose value has a wrong type: the deepest ones that explain it."""
    try:
        _converter.get_unstructure_hook(annotation)(value)
    except _WrongTypeError as error:
        deeper = [misfit for part in _parts(value, path) for misfit in _misfits(*part)]
        yield from deeper or [(path, str(error))]


def _parts(value: object, path: str) -> Iterator[tuple[object, Any, str]]:
    if attrs.has(type(value)):
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(value))):
            yield getattr(value, field.name), field.type, f"{path}.{_wire_name(field)}"


def _make_converter(*, detailed_validation: bool) -> Converter:
    converter = Converter(detailed_validation=detailed_validation)
    converter.register_structure_hook(str, _structure_string)
    converter.register_structure_hook(OpenEnum, _structure_open_enum)
    converter.register_structure_hook(int, _structure_integer)
    converter.register_structure_hook(datetime, _structure_datetime)
    converter.register_structure_hook_factory(_is_optional, _optional_structurer)
    converter.register_structure_hook_factory(_is_tuple, _tuple_structurer)
    converter.register_structure_hook_factory(attrs.has, _model_structurer)
    converter.register_unstructure_hook(str, _unstructure_string)
    converter.register_unstructure_hook(int, _unstructure_integer)
    converter.register_unstructure_hook(datetime, _unstructure_datetime)
    converter.register_unstructure_hook_factory(_is_tuple, _tuple_unstructurer)
    converter.register_unstructure_hook_factory(attrs.has, _model_unstructurer)
    return converter


_converter = _make_converter(detailed_validation=False)
_thorough_converter = _make_converter(detailed_validation=True)
"""Finds everything that is wrong; it takes longer, so it is asked only about values that are wrong."""
