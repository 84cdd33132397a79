"""Proposes a mapping for a file: which system made it, or what each of its columns seems to hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from kaspi_delivery_async.errors import InvalidRequestError
from kaspi_delivery_async.order_files.fields.columns import COLUMNS
from kaspi_delivery_async.order_files.mapping.definition.loading import PRESETS, preset_tables
from kaspi_delivery_async.order_files.mapping.definition.numbers import WEIGHT
from kaspi_delivery_async.order_files.mapping.definition.values import names_of, source_of
from kaspi_delivery_async.order_files.tables.heading import spelling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kaspi_delivery_async.order_files.mapping.definition.model import Part
    from kaspi_delivery_async.order_files.tables.heading import Heading

_FEWEST_FIELDS = 3
"""Fields by which a heading is recognised."""
_PICKUP = tuple(column.path for column in COLUMNS if column.required and column.path.startswith("pickup."))
_QUANTITY = re.compile(r"кол-?во|количество|qty|quantity|саны|штук|^шт")
_UNITS = (("kg", re.compile(r"\b(кг|kg)\b")), ("g", re.compile(r"\b(г|гр|g|grams?)\b")))

_MEANINGS: Mapping[str, re.Pattern[str]] = {
    # A name that no preset has is matched by what it says, the plainest words first.
    "externalOrderId": re.compile(
        r"(номер|№|n|no|id|код).{0,6}(заказ|отправлен|order)|order.{0,6}(id|no|num)|^(номер|документ|name)$"
    ),
    "dropoff.contact.phone": re.compile(r"тел|phone|моб|whatsapp"),
    "dropoff.address": re.compile(r"адрес|address|street|мекен"),
    "dropoff.contact.name": re.compile(r"фио|получател|покупател|клиент|контрагент|customer|recipient|^имя|аты"),
    "dropoff.notes": re.compile(r"коммент|примеч|comment|note"),
    "parcel.description": re.compile(r"товар|наимен|номенклат|product|item.{0,8}name|lineitem name|описан"),
    "parcel.weightGrams": re.compile(r"вес|масса|weight|салма"),
    "parcel.valueKzt": re.compile(r"сумм|итого|стоим|цена|total|amount|price|бағас"),
}


@attrs.frozen(kw_only=True)
class Proposal:
    """A mapping to be looked at."""

    preset: str | None
    """The system that the heading is known of."""
    columns: Mapping[str, str | list[str]]
    """By field; those of a preset only where the file calls them otherwise."""
    units: Mapping[str, str]
    group: Mapping[str, object]
    pickup: tuple[str, ...]
    """Fields of the shop's own place, which it has to fill in."""
    unknown: tuple[str, ...]
    """Other required fields that nothing in the file seems to hold."""

    def text(self) -> str:
        """Return it as a `mapping.toml`."""
        return "\n".join(_lines(self))


class ProposedRows:
    """Looks for the heading that says most, in place of a mapping that knows it."""

    def __init__(self) -> None:
        self._presets = {name: preset_tables(name) for name in PRESETS}
        self._found: dict[tuple[str, ...], tuple[str | None, dict[str, tuple[str, ...]]]] = {}

    def missing(self, heading: Heading) -> Sequence[str]:
        """Return a name for each of the needed fields that a heading lacks, up to a point."""
        fields = self._best(heading)[1]
        return [""] * max(0, len(_NEEDED) - len(_NEEDED & fields.keys()))

    def propose(self, heading: Heading) -> Proposal:
        """Return the mapping that a heading suggests; raises `InvalidRequestError` if it says too little."""
        preset, fields = self._best(heading)
        if len(fields) < _FEWEST_FIELDS:
            shown = ", ".join(repr(name) for name in heading.names if name)
            raise InvalidRequestError("the heading", f"says too little of orders; its columns: {shown}")
        tables = self._presets[preset] if preset is not None else {}
        own = {
            field: names
            for field, names in fields.items()
            if not tables or any(spelling(name) not in _known(tables, field) for name in names)
        }
        units: dict[str, str] = {}
        if WEIGHT in own and spelling(own[WEIGHT][0]) != spelling(WEIGHT):
            units = {WEIGHT: next((unit for unit, word in _UNITS if word.search(spelling(own[WEIGHT][0]))), "kg")}
        given: set[str] = {*fields, *(tables["defaults"] if tables else ())}
        return Proposal(
            preset=preset,
            columns={field: names[0] if len(names) == 1 else list(names) for field, names in own.items()},
            units=units,
            group=_group(tables, heading),
            pickup=tuple(path for path in _PICKUP if path not in given),
            unknown=tuple(
                path for path in (c.path for c in COLUMNS if c.required) if path not in given and path not in _PICKUP
            ),
        )

    def _best(self, heading: Heading) -> tuple[str | None, dict[str, tuple[str, ...]]]:
        """Return the preset that knows most of the names, if one does, and the columns of each field."""
        names = tuple(heading.names)
        if names not in self._found:
            self._found[names] = self._looked_up(heading)
        return self._found[names]

    def _looked_up(self, heading: Heading) -> tuple[str | None, dict[str, tuple[str, ...]]]:
        scores = {name: _recognised(tables, heading) for name, tables in self._presets.items()}
        name = max(scores, key=lambda name: scores[name])
        known = scores[name] >= _FEWEST_FIELDS
        tables = self._presets[name] if known else None
        return (name if known else None), _fields(tables, heading)


_NEEDED = {column.path for column in COLUMNS if column.required} - set(_PICKUP)


def _recognised(tables: dict[str, Any], heading: Heading) -> int:
    """Return how many fields have the name that the system itself gives them."""
    sources = [source_of(value, field) for field, value in tables["columns"].items()]
    return sum(any(heading.find(part.names[0]) for part in source.parts) for source in sources)


def _fields(tables: dict[str, Any] | None, heading: Heading) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()

    def take(field: str, names: Sequence[str]) -> None:
        if names:
            found[field] = (*found.get(field, ()), *names)
            taken.update(names)

    incomplete: set[str] = set()
    for field, value in tables["columns"].items() if tables else ():
        source = source_of(value, field)
        parts = max(source.alternatives, key=lambda parts: sum(1 for part in parts if _actual(part, heading)))
        of_parts = [next((name for name in _actual(part, heading) if name not in taken), None) for part in parts]
        take(field, [name for name in of_parts if name is not None])
        lacks_one = any(name is None and not part.is_optional for part, name in zip(parts, of_parts, strict=True))
        if lacks_one and not source.is_optional:
            incomplete.add(field)
    for column in COLUMNS:
        exact = [name for name in heading.names if name not in taken and spelling(name) == spelling(column.path)]
        if column.path not in found:
            take(column.path, exact[:1])
    for field, meaning in _MEANINGS.items():
        if field not in found or field in incomplete:
            names = [name for name in heading.names if name and name not in taken and meaning.search(spelling(name))]
            take(field, names[:1])
    return found


def _actual(part: Part, heading: Heading) -> list[str]:
    """Return the names that a heading has of a part, as it writes them."""
    return [heading.names[column] for name in part.names for column in heading.find(name)[:1]]


def _group(tables: dict[str, Any], heading: Heading) -> Mapping[str, object]:
    known = names_of(tables["group"]["quantity"], ()) if tables and "quantity" in tables["group"] else ()
    if any(heading.find(name) for name in known) or (tables and not known):
        return {}
    quantity = next((name for name in heading.names if _QUANTITY.search(spelling(name))), "")
    if not quantity:
        return {}
    return {"quantity": quantity} if tables else {"by": "externalOrderId", "quantity": quantity}


def _known(tables: dict[str, Any], field: str) -> set[str]:
    """Return every name that a preset has for a field."""
    columns = tables["columns"]
    return {spelling(name) for name in source_of(columns[field], field).names} if field in columns else set()


def _lines(proposal: Proposal) -> Iterator[str]:
    if proposal.preset is not None:
        yield from (f'preset = "{proposal.preset}"', "")
    yield from _table("columns", proposal.columns)
    address = "# The shop's own place, where the courier comes first; fill it in."
    yield from _table("constants", dict.fromkeys(proposal.pickup, ""), address)
    unknown = "# No column seems to hold these; fill them in, or name a column above."
    yield from _table("defaults", dict.fromkeys(proposal.unknown, ""), unknown)
    yield from _table("units", proposal.units)
    once = '# Is the sum that of the whole order, repeated on each row? once = ["parcel.valueKzt"]'
    yield from _table("group", proposal.group, once if "by" in proposal.group else "")


def _table(name: str, values: Mapping[str, object], comment: str = "") -> Iterator[str]:
    if values:
        yield f"[{name}]"
        if comment:
            yield comment
        for key, value in values.items():
            yield f"{key if key.isidentifier() else _quoted(key)} = {_value(value)}"
        yield ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(value: object) -> str:
    if isinstance(value, list):
        names: list[str] = value  # pyright: ignore[reportUnknownVariableType]
        return f"[{', '.join(map(_quoted, names))}]"
    return _quoted(str(value))
