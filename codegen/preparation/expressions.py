"""Types as the generator needs them: a schema that it understands, and the annotation that its template writes."""

from collections.abc import Iterable

import attrs

from codegen.documents import SCHEMAS, Json, Object


@attrs.frozen
class Expression:
    """A type of values."""

    schema: Object
    """What the generator finds out imports and the order of classes from."""
    members: tuple[str, ...]
    """The members of the union that it is, or itself alone, as annotations."""

    @property
    def hint(self) -> str:
        """The annotation."""
        return " | ".join(self.members)


def _only(schema: Object, hint: str) -> Expression:
    return Expression(schema, (hint,))


ANYTHING = _only({}, "Any")
NULL = _only({"type": "null"}, "None")

TYPED_FORMATS = {"date-time": "datetime", "date": "date", "decimal": "Decimal"}
"""Formats of texts whose values have a type of their own; a text of any other format stays as it is."""

SCALARS = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}


def scalar(kind: str, form: Json) -> Expression:
    """Return the type of a scalar kind, a text in one of the typed formats included."""
    if kind == "string" and form in TYPED_FORMATS:
        return _only({"type": kind, "format": form}, TYPED_FORMATS[form])
    return _only({"type": kind}, SCALARS[kind])


def constant(value: Json) -> Expression:
    """Return the type of a single text, whole number or boolean."""
    kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "string"
    return _only({"type": kind}, f"Literal[{value!r}]")


def model(name: str) -> Expression:
    """Return the type that a class is."""
    return _only({"$ref": f"{SCHEMAS}{name}"}, name)


def list_of(items: Expression) -> Expression:
    """Return the type of lists of any length; they are tuples, so that a frozen model is frozen through and through."""
    return _only({"type": "array", "items": items.schema}, f"tuple[{items.hint}, ...]")


def map_of(values: Expression) -> Expression:
    """Return the type of objects whose names are data."""
    return _only({"type": "object", "additionalProperties": values.schema}, f"dict[str, {values.hint}]")


def tuples_of(first: list[Expression], rest: Expression | None, *, shortest: int) -> Expression:
    """Return the type of lists whose items differ by place, with any number of `rest` behind them."""
    schemas = [item.schema for item in (*first, *([] if rest is None else [rest]))]
    hints = [item.hint for item in first]
    lengths = [f"tuple[{', '.join(hints[:length]) or '()'}]" for length in range(shortest, len(first))]
    tail = [] if rest is None else [f"*tuple[{rest.hint}, ...]"]
    whole = f"tuple[{', '.join([*hints, *tail]) or '()'}]"
    return Expression({"type": "array", "items": {"anyOf": schemas}}, (*lengths, whole))


def either(parts: Iterable[Expression]) -> Expression:
    """Return the type of values that have any of some types, each said once and null last."""
    parts = list(parts)
    members = dict.fromkeys(member for part in parts for member in part.members)
    if "Any" in members:
        return ANYTHING
    if members.pop("None", 0) is None:
        members["None"] = None
    return parts[0] if len(parts) == 1 else Expression({"anyOf": [part.schema for part in parts]}, tuple(members))
