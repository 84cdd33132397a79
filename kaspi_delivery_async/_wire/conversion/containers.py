"""Lists and maps: tuples of one type or of a type for each place, and dicts of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from kaspi_delivery_async._wire.conversion.annotations import elements_of, is_map, is_tuple
from kaspi_delivery_async._wire.conversion.thorough import LONGEST_LIST, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cattrs import Converter


def register_containers(converter: Converter) -> None:
    """Let a converter read and write tuples and dicts, strictly."""
    converter.register_structure_hook_factory(is_tuple, _tuple_structurer)
    converter.register_structure_hook_factory(is_map, _map_structurer)
    converter.register_unstructure_hook_factory(is_tuple, _tuple_unstructurer)
    converter.register_unstructure_hook_factory(is_map, _map_unstructurer)


def _tuple_structurer(annotation: Any, converter: Converter) -> Callable[[object, object], tuple[Any, ...]]:
    hook = converter.get_structure_hook
    if Ellipsis not in get_args(annotation):
        return lambda value, _: tuple(
            hook(element)(part, element) for part, element in _elements(annotation, value, list, "an array")
        )
    element = get_args(annotation)[0]
    structure_element = hook(element)

    def structure_tuple(value: Any, _: object) -> tuple[Any, ...]:
        elements: list[object] = value
        if type(elements) is not list or len(elements) > LONGEST_LIST:
            raise WrongTypeError("an array", value)
        return tuple([structure_element(part, element) for part in elements])

    return structure_tuple


def _tuple_unstructurer(annotation: Any, converter: Converter) -> Callable[[object], list[Any]]:
    hook = converter.get_unstructure_hook
    return lambda value: [hook(element)(part) for part, element in _elements(annotation, value, tuple, "a tuple")]


def _elements(annotation: Any, value: Any, kind: type[Any], called: str) -> list[tuple[Any, Any]]:
    """Return the elements of a value with their annotations."""
    elements = elements_of(annotation, len(value)) if isinstance(value, kind) else None
    if elements is None:
        raise WrongTypeError(called, value)
    return list(zip(value, elements, strict=True))


def _map_structurer(annotation: Any, converter: Converter) -> Callable[[object, object], dict[str, Any]]:
    kind = get_args(annotation)[1]
    structure_value = converter.get_structure_hook(kind)

    def structure_map(value: Any, _: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongTypeError("an object", value)
        values = cast("dict[str, object]", value)
        return {name: structure_value(part, kind) for name, part in values.items()}

    return structure_map


def _map_unstructurer(annotation: Any, converter: Converter) -> Callable[[object], dict[str, Any]]:
    unstructure_value = converter.get_unstructure_hook(get_args(annotation)[1])

    def unstructure_map(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongTypeError("a dict", value)
        values = cast("dict[object, object]", value)
        if not all(isinstance(name, str) for name in values):
            raise WrongTypeError("a dict of texts", values)
        return {str(name): unstructure_value(part) for name, part in values.items()}

    return unstructure_map
