"""Finds everything that is wrong with a value. It takes longer, so it is asked only about values that are wrong."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import attrs

from kaspi_delivery_async._wire.conversion.annotations import (
    elements_of,
    fields_of,
    has_tags,
    is_map,
    is_model,
    is_optional,
    is_rest,
    is_tuple,
    is_union,
    wire_name,
    without_none,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Convert = Callable[[Any], Callable[..., Any]]
    """Returns the function that converts values of a type."""

T = TypeVar("T")

Problem = tuple[str, str]
"""Path of a value, in wire names, and what is wrong with it."""

NAMED_PROBLEMS = 16
"""Wrong places that an error names, more than an order has fields; the rest are counted."""

LONGEST_LIST = 10_000
"""Elements of a list that is read. No list of this API comes near, and millions would block the event loop."""

_LONGEST_NAME = 64


class ConversionError(ValueError):
    """A value does not have the shape of its model; ``problems`` lists where and what, never the value."""

    def __init__(self, problems: Iterable[Problem], *, unnamed: int = 0) -> None:
        self.problems = tuple(problems)
        texts = [f"{path}: {problem}" for path, problem in self.problems]
        if unnamed:
            texts.append(f"and {unnamed} more")
        super().__init__("; ".join(texts))
        self.unnamed = unnamed


class WrongTypeError(TypeError):
    """A value is of another type than the field."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"expected {expected}, got {_described(value)}")


class Reading:
    """Builds a model field by field, and takes note of all problems.

    A ``closed`` one refuses unknown fields; in a ``tolerant`` one an optional field that cannot be read is None, and
    an element that cannot be read is left out of its list.
    """

    def __init__(self, convert: Convert, *, closed: bool = False, tolerant: bool = False) -> None:
        self._convert = convert
        self._closed = closed
        self._tolerant = tolerant
        self._problems: list[Problem] = []
        self._unnamed = 0

    def result(self, value: object, model: type[T]) -> T:
        """Return the model, or raise `ConversionError` with all that is wrong."""
        try:
            result: T = self._read(value, model, "$")
        except _Unreadable:
            raise self.error from None
        return result

    @property
    def error(self) -> ConversionError:
        """All problems so far."""
        return ConversionError(self._problems, unnamed=self._unnamed)

    def _read(self, value: object, annotation: Any, path: str) -> Any:
        """Return the value, or raise `_Unreadable` after taking note of the reason."""
        kind = without_none(annotation)
        if value is None and is_optional(annotation):
            return None
        if is_model(kind):
            return self._model(value, kind, path)
        if is_tuple(kind):
            return self._tuple(value, kind, path)
        if is_map(kind):
            return self._map(value, kind, path)
        try:
            return self._convert(kind)(value, kind)
        except WrongTypeError as error:
            nearest = nearest_member(value, kind) if is_union(kind) else None
            if nearest is not None:
                return self._read(value, nearest, path)
            raise self._unreadable(path, str(error)) from None

    def _model(self, value: object, model: type[Any], path: str) -> Any:
        if not isinstance(value, Mapping):
            raise self._unreadable(path, str(WrongTypeError("an object", value)))
        values = cast("Mapping[object, object]", value)
        arguments: dict[str, Any] = {}
        failure: _Unreadable | None = None
        fields = {wire_name(field): field for field in fields_of(model) if not is_rest(field)}
        for name, field in fields.items():
            try:
                if name in values:
                    arguments[field.name] = self._read(values[name], field.type, f"{path}.{name}")
                elif field.default is attrs.NOTHING:
                    raise self._unreadable(f"{path}.{name}", "is missing")
            except _Unreadable as error:
                if not (self._tolerant and field.default is None):
                    failure = error
        others = {name: part for name, part in values.items() if name not in fields}
        try:
            arguments |= self._rest(others, model, fields, path)
        except _Unreadable as error:
            failure = error
        if failure is not None:
            raise failure
        return model(**arguments)

    def _rest(self, others: Mapping[Any, object], model: type[Any], known: Iterable[str], path: str) -> dict[str, Any]:
        """Return the field that holds what an object has under other names; without one, these are too many."""
        for field in filter(is_rest, fields_of(model)):
            return {field.name: self._map(others, field.type, path)}
        failures = [
            self._unreadable(f"{path}.{_shown(name)}", _no_field(name, known)) for name in others if self._closed
        ]
        if failures:
            raise failures[0]
        return {}

    def _tuple(self, value: object, annotation: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise self._unreadable(path, str(WrongTypeError("an array", value)))
        values = cast("list[object]", value)
        if len(values) > LONGEST_LIST:
            raise self._unreadable(path, f"holds more than {LONGEST_LIST} elements")
        elements = elements_of(annotation, len(values))
        if elements is None:
            raise self._unreadable(path, f"has {len(values)} elements, which are too many or too few")
        read: list[Any] = []
        failure: _Unreadable | None = None
        for index, (part, element) in enumerate(zip(values, elements, strict=True)):
            try:
                read.append(self._read(part, element, f"{path}[{index}]"))
            except _Unreadable as error:
                failure = error
        if failure is not None and not (self._tolerant and read and Ellipsis in get_args(annotation)):
            raise failure
        return tuple(read)

    def _map(self, value: object, annotation: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self._unreadable(path, str(WrongTypeError("an object", value)))
        read: dict[str, Any] = {}
        failure: _Unreadable | None = None
        for name, part in cast("Mapping[str, object]", value).items():
            try:
                read[name] = self._read(part, get_args(annotation)[1], f"{path}.{_shown(name)}")
            except _Unreadable as error:
                failure = error
        if failure is not None and not self._tolerant:
            raise failure
        return read

    def _unreadable(self, path: str, problem: str) -> _Unreadable:
        if len(self._problems) < NAMED_PROBLEMS:
            self._problems.append((path, problem))
        else:
            self._unnamed += 1
        return _Unreadable()


class _Unreadable(Exception):  # it never leaves a `Reading`
    """A value cannot be read; the reading has taken note of the reason."""


def misfits(value: object, annotation: Any, convert: Convert, path: str = "$") -> Iterator[Problem]:
    """Name every place at or below ``path`` that cannot be written: the deepest ones that explain it."""
    if value is None and is_optional(annotation):
        return
    try:
        convert(without_none(annotation))(value)
    except WrongTypeError as error:
        deeper = [misfit for part in _parts(value, annotation, path) for misfit in misfits(*part[:2], convert, part[2])]
        yield from deeper or [(path, str(error))]


def _parts(value: object, annotation: Any, path: str) -> Iterator[tuple[object, Any, str]]:
    kind = without_none(annotation)
    if is_model(kind) and isinstance(value, kind):
        for field in fields_of(kind):
            where = path if is_rest(field) else f"{path}.{wire_name(field)}"
            yield getattr(value, field.name), field.type, where
    elif is_tuple(kind) and isinstance(value, tuple):
        parts = cast("tuple[object, ...]", value)
        for index, (part, element) in enumerate(zip(parts, elements_of(kind, len(parts)) or (), strict=False)):
            yield part, element, f"{path}[{index}]"
    elif is_map(kind) and isinstance(value, dict):
        for name, part in cast("dict[object, object]", value).items():
            yield part, get_args(kind)[1], f"{path}.{_shown(name)}"
    elif is_union(kind):
        nearest = nearest_member(value, kind)
        if nearest is not None:
            yield value, nearest, path


def nearest_member(value: object, union: Any) -> Any:
    """Return the one member of a union that a value was meant for, as a model or as JSON; None if several may be."""
    members = [member for member in likely_members(value, get_args(union)) if _is_near(value, member)]
    models = [member for member in members if is_model(member)]
    nearest = [model for model in models if _has_required(value, model)] or models or members
    return nearest[0] if len(nearest) == 1 else None


def likely_members(value: object, members: Iterable[Any]) -> list[Any]:
    """Return the members that a value may be: of an object, those alone whose tag it has, if there are any."""
    members = list(members)
    return [one for one in members if is_model(one) and _has_tags(value, one, literal=True)] or members


def _is_near(value: object, member: Any) -> bool:
    if is_model(member):
        return isinstance(value, member) or _has_tags(value, member)
    return (is_map(member) and isinstance(value, Mapping)) or (is_tuple(member) and isinstance(value, (list, tuple)))


def _has_tags(value: object, model: type[Any], *, literal: bool = False) -> bool:
    return isinstance(value, Mapping) and has_tags(cast("Mapping[Any, object]", value), model, literal=literal)


def _has_required(value: object, model: type[Any]) -> bool:
    required = [wire_name(field) for field in fields_of(model) if field.default is attrs.NOTHING]
    return isinstance(value, Mapping) and all(name in value for name in required)


_JSON_NAMES: dict[type, str] = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "an array",
    str: "a string",
    type(None): "null",
}


def _described(value: object) -> str:
    return _JSON_NAMES.get(type(value)) or type(value).__name__


def _no_field(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name)[:_LONGEST_NAME], known, n=1)
    return f"is no field here; did you mean {near[0]}?" if near else "is no field here"


def _shown(name: object) -> str:
    text = str(name)
    return text if len(text) <= _LONGEST_NAME and text.isprintable() else f"{text[:_LONGEST_NAME]!r}…"
