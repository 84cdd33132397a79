"""Statements written out once for each dialect: writing them out again takes longer than executing them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Dialect, Executable


@attrs.frozen
class Prepared:
    """A statement as a text, and what is needed to write down its parameters in the way of a driver."""

    sql: str
    _compiled: Any

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
        """Return the parameters as the driver takes them: in order, or by name."""
        named: dict[str, Any] = self._compiled.construct_params(values)
        order: list[str] | None = self._compiled.positiontup
        return named if order is None else tuple([named[name] for name in order])


@lru_cache(maxsize=64)
def prepared(statement: Executable, dialect: Dialect, schema: str | None) -> Prepared:
    """Write a statement out for a dialect, with the tables in a schema, if there is one."""
    plain: Any = statement
    # SQLite has no schema that a name could be translated to.
    options: dict[str, Any] = (
        {} if schema is None else {"schema_translate_map": {None: schema}, "render_schema_translate": True}
    )
    compiled = plain.compile(dialect=dialect, **options)
    return Prepared(str(compiled), compiled)
