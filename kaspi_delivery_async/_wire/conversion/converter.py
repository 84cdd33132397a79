"""Models to plain JSON values and back, strictly: a wrong type is an error with its path, never a conversion.

The rules come from the generated classes themselves: a field's wire name is in its metadata under ``wire``, optional
fields that are None are left out, unknown enum members keep their text. There are three ways to read:

- `structure` refuses wrong types, and ignores unknown fields;
- `structure_closed` refuses unknown fields, too: of what is to be sent, a misspelt field would be lost in silence;
- `structure_tolerantly` is for what others have sent: beside the required fields, what cannot be read is None.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from cattrs import Converter

from kaspi_delivery_async._open_enum import OpenEnum
from kaspi_delivery_async._wire.conversion.annotations import (
    fields_of,
    is_model,
    is_optional,
    is_rest,
    wire_name,
    without_none,
)
from kaspi_delivery_async._wire.conversion.compiled import Field, compile_structure, compile_unstructure
from kaspi_delivery_async._wire.conversion.containers import register_containers
from kaspi_delivery_async._wire.conversion.scalars import register_scalars
from kaspi_delivery_async._wire.conversion.thorough import ConversionError, Reading, WrongTypeError, misfits
from kaspi_delivery_async._wire.conversion.unions import register_unions
from kaspi_delivery_async._wire.text import is_blank, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_logger = logging.getLogger("kaspi_delivery_async")


def structure(values: object, model: type[T]) -> T:
    """Build ``model`` from plain JSON values, or raise `ConversionError` with every path that is wrong."""
    try:
        return _open.structure(values, model)
    except (KeyError, WrongTypeError):
        return Reading(_open.get_structure_hook).result(values, model)


def structure_closed(values: object, model: type[T]) -> T:
    """Build ``model`` as `structure` does, but refuse fields that it does not have, at any depth."""
    try:
        return _closed.structure(values, model)
    except (KeyError, WrongTypeError):
        return Reading(_closed.get_structure_hook, closed=True).result(values, model)


def structure_tolerantly(values: object, model: type[T], source: str) -> T:
    """Build ``model`` from what others sent; raise `ConversionError` only if a required field cannot be read.

    What else cannot be read is None, or missing in its list, and a warning names it by path, never by value.
    ``source`` says in the warning what was read. A required id that is blank is no id.
    """
    read, ids = _readers.get(model) or _make_reader(model)
    try:
        result: T = read(values, model)
    except (KeyError, WrongTypeError):
        reading = Reading(_open.get_structure_hook, tolerant=True)
        result = reading.result(values, model)
        if all(getattr(result, field.name) is None for field in fields_of(model)):
            raise reading.error from None  # nothing of it could be read
        _logger.warning("%s: left out what could not be read: %s", source, reading.error)
    blank = [(path, "must not be empty or blank") for path, id_of in ids if is_blank(id_of(result))]
    if blank:
        raise ConversionError(blank)
    return result


def unstructure(model: object, kind: type[Any] | None = None) -> dict[str, Any]:
    """Turn ``model`` into plain JSON values, or raise `ConversionError` if a field holds a value of a wrong type.

    With ``kind``, a class of ``model``, only the fields of that class.
    """
    kind = kind or type(model)
    try:
        return _open.unstructure(model, kind)  # type: ignore[no-any-return]
    except WrongTypeError:
        raise ConversionError(misfits(model, kind, _open.get_unstructure_hook)) from None


_Reader = tuple[Callable[[object, Any], Any], list[tuple[str, Callable[[Any], str]]]]
"""A function that reads a model, and the path and a getter of each of its required ids."""

_readers: dict[type[Any], _Reader] = {}


def _make_reader(model: type[Any]) -> _Reader:
    reader = _readers[model] = _open.get_structure_hook(model), list(_ids_below(model, "$", ""))
    return reader


def _ids_below(model: type[Any], path: str, prefix: str) -> Iterator[tuple[str, Callable[[Any], str]]]:
    for field in fields_of(model):
        where, attribute = f"{path}.{wire_name(field)}", f"{prefix}{field.name}"
        if field.type is str and where.endswith("Id"):
            yield where, attrgetter(attribute)
        elif is_model(field.type):
            yield from _ids_below(cast("type[Any]", field.type), where, f"{attribute}.")


def _structure_string(value: object, _: object) -> str:
    if not isinstance(value, str):
        raise WrongTypeError("a string", value)
    return plain(value)


def _structure_integer(value: object, _: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():  # JSON knows one kind of number: 800.0 is 800
        return int(value)
    raise WrongTypeError("an integer", value)


_parse_time = datetime.fromisoformat
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_leap_second = re.compile(r"(.{17})60(.*)").fullmatch


def _structure_datetime(value: Any, _: object) -> datetime:
    try:
        moment = _parse_time(value)
        if value[0] == "2" and moment.tzinfo is not None:  # in this millennium, as nearly every time is
            return moment
    except TypeError:
        raise WrongTypeError("an RFC 3339 time", value) from None
    except ValueError:
        moment = _unusual_time(value)
    if moment.tzinfo is None:
        raise WrongTypeError("an RFC 3339 time with its offset", value)
    # Near the ends of the calendar, a time cannot be shown in every time zone.
    if not 1 < moment.year < _LATEST.year and not _EARLIEST <= moment <= _LATEST:
        raise WrongTypeError("an RFC 3339 time within the calendar", value)
    return moment


def _unusual_time(text: str) -> datetime:
    """Read what RFC 3339 allows and Python does not: "t" and "z", and the second 60, a leap second."""
    leap = _leap_second(text)
    try:
        if leap:
            return _parse_time(f"{leap[1]}59{leap[2].upper()}") + timedelta(seconds=1)
        return _parse_time(text.upper())
    except (ValueError, OverflowError):
        raise WrongTypeError("an RFC 3339 time", text) from None


def _structure_open_enum(value: object, enum: type[OpenEnum]) -> OpenEnum:
    return enum(_structure_string(value, str))


def _model_structurer(model: type[Any], converter: Converter, *, closed: bool) -> Callable[[object, object], Any]:
    return compile_structure(
        model,
        _fields(model, converter.get_structure_hook),
        closed=closed,
        refuse=functools.partial(WrongTypeError, "an object"),
    )


def _unstructure_string(value: object) -> str:
    if not isinstance(value, str):
        raise WrongTypeError("a string", value)
    return plain(value)


def _unstructure_integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongTypeError("an integer", value)
    return int(value)


def _unstructure_datetime(value: object) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise WrongTypeError("a datetime with its time zone", value)
    return value.isoformat().replace("+00:00", "Z")


def _model_unstructurer(model: type[Any], converter: Converter) -> Callable[[object], dict[str, Any]]:
    fields = _fields(model, converter.get_unstructure_hook)
    return compile_unstructure(model, fields, refuse=functools.partial(WrongTypeError, model.__name__))


def _fields(model: type[Any], hook: Callable[[Any], Callable[..., Any]]) -> list[Field]:
    return [
        Field(
            name=field.name,
            wire_name=wire_name(field),
            kind=without_none(field.type),
            is_optional=is_optional(field.type),
            is_required=field.default is attrs.NOTHING,
            is_read_only="read_only" in field.metadata,
            is_rest=is_rest(field),
            convert=hook(without_none(field.type)),
        )
        for field in fields_of(model)
    ]


def _make_converter(*, closed: bool) -> Converter:
    converter = Converter(detailed_validation=False)
    register_scalars(converter)
    register_containers(converter)
    register_unions(converter)
    converter.register_structure_hook(str, _structure_string)
    converter.register_structure_hook(OpenEnum, _structure_open_enum)
    converter.register_structure_hook(int, _structure_integer)
    converter.register_structure_hook(datetime, _structure_datetime)

    _register_models(converter, closed=closed)
    converter.register_unstructure_hook(str, _unstructure_string)
    converter.register_unstructure_hook(int, _unstructure_integer)
    converter.register_unstructure_hook(datetime, _unstructure_datetime)
    return converter


def _register_models(converter: Converter, *, closed: bool) -> None:
    """Let a converter compile the functions of each model once, also if the model refers to itself."""
    compiled: dict[tuple[str, Any], Callable[..., Any]] = {}

    def once(way: str, compile_: Callable[..., Any]) -> Callable[[Any, Converter], Callable[..., Any]]:
        def function(model: Any, converter: Converter) -> Callable[..., Any]:
            key = (way, model)
            if key in compiled:
                return compiled[key]

            # What refers to the model while it is compiled is read later, by the function that is there then.
            def compiled_by_then(*values: Any) -> Any:
                return compiled[key](*values)

            compiled[key] = compiled_by_then
            compiled[key] = compile_(model, converter)
            return compiled[key]

        return function

    structurer = functools.partial(_model_structurer, closed=closed)
    converter.register_structure_hook_factory(is_model, once("read", structurer))
    converter.register_unstructure_hook_factory(is_model, once("write", _model_unstructurer))


_open = _make_converter(closed=False)
_closed = _make_converter(closed=True)
