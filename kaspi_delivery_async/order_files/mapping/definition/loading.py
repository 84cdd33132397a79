"""`load_mapping`: a mapping from a TOML file or from values, over one of the presets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as Dict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.order_files.mapping.definition.model import Mapping
from kaspi_delivery_async.order_files.mapping.definition.toml_lines import key_lines
from kaspi_delivery_async.order_files.mapping.definition.validation import checked_tables, mapping_of
from kaspi_delivery_async.order_files.mapping.definition.values import MappingProblem, Values
from kaspi_delivery_async.order_files.tables.heading import spelling

if TYPE_CHECKING:
    import os

PRESETS = ("kaspi-cabinet", "insales", "woocommerce", "shopify", "ozon", "1c", "opencart")

_LARGEST = 1024 * 1024


def load_mapping(source: str | os.PathLike[str] | Dict[str, Any] | Mapping, *, preset: str | None = None) -> Mapping:
    """Return the mapping of a TOML file, or of the values that such a file would hold.

    Args:
        source: The file's path, or the values.
        preset: The preset below it; the file may name one itself.

    Raises `ConfigurationError` that names the line and the key of whatever is wrong.

    """
    if isinstance(source, Mapping):
        return source
    if isinstance(source, Dict):
        return _mapping(dict(source), "the mapping", "", preset)
    path = Path(source)
    name = storable(path.name)
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise ConfigurationError(f"{name}: is longer than {_LARGEST} bytes; is this a mapping?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: is not UTF-8 text (byte {error.start + 1}); save it as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{name}: is no TOML: {error}; texts, and names with other letters than a-z, need quotes"
        ) from None
    return _mapping(values, name, text, preset)


def preset_tables(name: str) -> Values:
    """Return the tables of a preset."""
    text = (resources.files(__name__.rpartition(".")[0]) / "presets" / f"{name}.toml").read_text("utf-8")
    return checked_tables(tomllib.loads(text))


def _mapping(values: Values, name: str, text: str, preset: str | None) -> Mapping:
    try:
        tables = checked_tables(values)
        chosen: Any = values.get("preset", preset)
        if chosen is not None:
            tables = _over(preset_tables(_preset_name(chosen)), tables)
        return mapping_of(tables, name)
    except MappingProblem as problem:
        raise ConfigurationError(f"{name}{_place(problem.path, text)}: {problem.problem}") from None


def _preset_name(name: object) -> str:
    if isinstance(name, str) and name in PRESETS:
        return name
    raise MappingProblem(("preset",), f"is {name!r}; it must be one of {', '.join(PRESETS)}")


def _place(path: tuple[str, ...], text: str) -> str:
    if not path:
        return ""
    shown = ".".join(f'"{part}"' if "." in part else part for part in path)
    lines = {".".join(key).casefold().replace("_", ""): line for key, line in key_lines(text).items()}
    for end in range(len(path), 0, -1):
        line = lines.get(".".join(path[:end]).casefold().replace("_", ""))
        if line is not None:
            return f", line {line}, {shown}"
    return f", {shown}"


def _over(preset: Values, own: Values) -> Values:
    """Return the tables of a preset with one's own over them.

    What is said of a field replaces all that the preset says of it: its column, its constant and its unit. One's own
    rules for what to skip add to those of the preset; those for what to keep replace those for the same column.
    """
    fields = {*own["columns"], *own["constants"]}
    merged = {
        name: {path: value for path, value in preset[name].items() if path not in fields} | own[name]
        for name in ("columns", "constants", "units")
    }
    merged |= {name: preset[name] | own[name] for name in ("defaults", "rounding", "file", "phones", "ids")}
    group = preset["group"] | own["group"]
    for key, other in (("once", "sum"), ("sum", "once")):
        if key in own["group"] and other in group and other not in own["group"]:
            group[other] = [path for path in group[other] if path not in own["group"][key]]
    merged["group"] = group
    own_columns = {name for rule in own["keep"] for name in _names(rule)}
    merged["keep"] = [rule for rule in preset["keep"] if _names(rule).isdisjoint(own_columns)] + own["keep"]
    merged["skip"] = preset["skip"] + own["skip"]
    return merged


def _names(rule: Values) -> set[str]:
    column: Any = rule.get("column")
    if isinstance(column, str) or not hasattr(column, "__iter__"):
        column = [column]
    return {spelling(name) for name in column if isinstance(name, str)}  # what is no name is refused later
