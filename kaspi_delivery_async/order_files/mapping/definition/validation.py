"""Reads a mapping's tables; every error names the key, and its line where there is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.order_files.encodings import checked_encoding
from kaspi_delivery_async.order_files.fields.cells import cell_problem, cell_value
from kaspi_delivery_async.order_files.fields.columns import COLUMNS, field
from kaspi_delivery_async.order_files.mapping.definition.model import (
    ROUNDINGS,
    UNITS,
    FileFormat,
    Group,
    Mapping,
    Rule,
)
from kaspi_delivery_async.order_files.mapping.definition.numbers import WEIGHT
from kaspi_delivery_async.order_files.mapping.definition.values import (
    MappingProblem,
    Values,
    flag_of,
    names_of,
    only,
    rule_of,
    source_of,
    text_of,
    texts_of,
)
from kaspi_delivery_async.order_files.tables.csv_table import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kaspi_delivery_async.order_files.fields.columns import Column

_TABLES = {
    "preset", "file", "columns", "constants", "defaults", "units", "rounding", "skip", "keep", "group", "phones", "ids"
}  # fmt: skip
_KASPI_DELIVERS = Rule(
    # Of Kaspi's own shop: an order that Kaspi delivers itself needs no courier of ours, whatever the mapping says.
    names=(
        "isKaspiDelivery",
        "is_kaspi_delivery",
        "kaspiDelivery",
        "Kaspi Доставка",
        "Kaspi Delivery",
        "Доставка Kaspi",
    ),
    pattern=re.compile(r"^(?!(?:нет|жоқ|no|false|ложь|0|-)$).+", re.IGNORECASE),
    is_optional=True,
)


def checked_tables(values: Values) -> Values:
    """Return a mapping's tables with fields in their canonical spelling, or raise `MappingProblem`."""
    only(values, _TABLES, ())
    found: Values = {}
    for name in ("file", "group", "phones", "ids"):
        found[name] = _table(values, name)
    for name in ("columns", "constants", "defaults", "units", "rounding"):
        found[name] = _by_field(_table(values, name), name)
    for name in ("skip", "keep"):
        rules: Any = values.get(name, [])
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in cast("list[object]", rules)):
            raise MappingProblem((name,), f"must be an array of tables: write [[{name}]] above its column")
        found[name] = rules
    for path in found["constants"]:
        if path in found["columns"]:
            raise MappingProblem(("constants", path), "is in [columns], too; a field has one source")
    return found


def mapping_of(tables: Values, name: str) -> Mapping:
    """Return the mapping of checked tables, or raise `MappingProblem`."""
    columns = {path: source_of(value, path) for path, value in tables["columns"].items()}
    texts = {
        part: {path: _constant(part, path, value) for path, value in tables[part].items()}
        for part in ("constants", "defaults")
    }
    mapping = Mapping(
        name=name,
        file=_file(tables["file"]),
        columns=columns,
        constants=texts["constants"],
        defaults=texts["defaults"],
        units=dict(_choices(tables["units"], "units", UNITS, allowed=(WEIGHT,))),
        rounding=dict(_choices(tables["rounding"], "rounding", ROUNDINGS, allowed=_NUMBERS)),
        skip=(_KASPI_DELIVERS, *(rule_of(rule, "skip", number) for number, rule in enumerate(tables["skip"]))),
        keep=tuple(rule_of(rule, "keep", number) for number, rule in enumerate(tables["keep"])),
        group=_group(tables["group"]),
        phone_country=_country(tables["phones"]),
        allows_look_alikes=_ids(tables["ids"]),
    )
    given = {*columns, *mapping.constants, *mapping.defaults}
    missing = [column.path for column in COLUMNS if column.required and column.path not in given]
    if missing:
        raise MappingProblem(
            (),
            f"these fields have no column, constant or default: {', '.join(missing)}; add them, for example below "
            f'[constants]: "{missing[0]}" = "…"',
        )
    return mapping


_NUMBERS = tuple(column.path for column in COLUMNS if column.is_number)


def _table(values: Values, name: str) -> Values:
    table: Any = values.get(name, {})
    if not isinstance(table, dict):
        raise MappingProblem((name,), f"must be a table: write [{name}] above its keys")
    return cast("Values", table)


def _by_field(table: Values, name: str) -> Values:
    found: Values = {}
    for keys, value in _leaves(table, ()):
        path = ".".join(keys)
        column = field(path)
        if column is None:
            raise MappingProblem((name, *keys), f"{path!r} is no field of an order; the fields are {_FIELDS}")
        if column.path in found:
            raise MappingProblem((name, *keys), f"is {column.path} again")
        found[column.path] = value
    return found


_FIELDS = ", ".join(column.path for column in COLUMNS)
_PARENTS = {
    ".".join(path[:end]) for path in (column.path.split(".") for column in COLUMNS) for end in range(1, len(path))
}


def _leaves(table: Values, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield the fields of a table: ``dropoff.address`` without quotes is a table in a table."""
    for key, value in table.items():
        keys = (*above, key)
        if isinstance(value, dict) and ".".join(keys) in _PARENTS:
            yield from _leaves(cast("Values", value), keys)
        else:
            yield keys, value


def _constant(table: str, path: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = text_of(value, (table, path)).strip()
    column = _column(path)
    problem = cell_problem(text, column, grouped_numbers=False)
    if problem is not None:
        raise MappingProblem((table, path), problem)
    return str(cell_value(text, column))


def _column(path: str) -> Column:
    return next(column for column in COLUMNS if column.path == path)


def _choices(
    table: Values, name: str, choices: Iterable[str], *, allowed: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    for path, value in table.items():
        if path not in allowed:
            raise MappingProblem((name, path), f"takes only {' and '.join(allowed)}")
        if value not in choices:
            raise MappingProblem((name, path), f"is {value!r}; it must be one of {', '.join(choices)}")
        yield path, value


def _group(table: Values) -> Group | None:
    if not table:
        return None
    only(table, {"by", "quantity", "once", "sum"}, ("group",))
    by = text_of(table.get("by"), ("group", "by"))
    fields = {
        key: frozenset(_numeric(text, ("group", key)) for text in texts_of(table[key], ("group", key)))
        for key in ("once", "sum")
        if table.get(key)
    }
    group = Group(
        by=column.path if (column := field(by)) is not None else by,
        quantity=names_of(table["quantity"], ("group", "quantity")) if "quantity" in table else (),
        **fields,
    )
    both = sorted(group.once & group.sum)
    if both:
        raise MappingProblem(("group", "sum"), f"{both[0]} is in `once`, too")
    return group


def _numeric(text: str, path: tuple[str, ...]) -> str:
    column = field(text)
    if column is None or not column.is_number:
        raise MappingProblem(path, f"{text!r} is no number of an order; use {' or '.join(_NUMBERS)}")
    return column.path


def _file(table: Values) -> FileFormat:
    only(table, {"sheet", "heading_row", "encoding", "delimiter"}, ("file",))
    row: Any = table.get("heading_row")
    if row is not None and (not isinstance(row, int) or isinstance(row, bool) or row < 1):
        raise MappingProblem(("file", "heading_row"), "must be the number of a row, from 1")
    texts = {key: text_of(table[key], ("file", key)) for key in ("sheet", "encoding") if key in table}
    delimiter: Any = table.get("delimiter")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter not in DELIMITERS):
        raise MappingProblem(("file", "delimiter"), 'must be ",", ";" or a tab ("\\t")')
    try:
        checked_encoding(texts.get("encoding"))
    except ConfigurationError as error:
        raise MappingProblem(("file", "encoding"), str(error)) from None
    return FileFormat(heading_row=row, delimiter=delimiter, **texts)


def _country(table: Values) -> str | None:
    only(table, {"country"}, ("phones",))
    if "country" not in table:
        return None
    country = text_of(table["country"], ("phones", "country")).upper()
    if not re.fullmatch("[A-Z]{2}", country):
        raise MappingProblem(("phones", "country"), 'must be the two letters of a country, such as "KZ"')
    return country


def _ids(table: Values) -> bool:
    only(table, {"allow_look_alikes"}, ("ids",))
    return flag_of(table, "allow_look_alikes", ("ids",))
