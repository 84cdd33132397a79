"""Rows that are no orders of ours, counted and named by the reason."""

from __future__ import annotations

import attrs

_MOST_REASONS = 100
_MOST_NAMED = 20


@attrs.define
class LeftOut:
    """Orders and rows that were left out for one reason."""

    reason: str
    """Such as ``Статус: Отменён``."""
    is_expected: bool
    """False for what matched no rule at all, so that a new status is noticed."""
    count: int = 0
    named: list[str] = attrs.field(factory=list[str])
    """The first of them, such as ``410000003 (row 9)``."""


class LeftOutOrders:
    """Takes what is left out."""

    def __init__(self) -> None:
        self._reasons: dict[str, LeftOut] = {}

    def add(self, reason: str, name: str, *, is_expected: bool = True) -> None:
        """Count an order or a row."""
        if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            reason = "other reasons"
        found = self._reasons.setdefault(reason, LeftOut(reason, is_expected))
        found.count += 1
        if len(found.named) < _MOST_NAMED:
            found.named.append(name)

    def reasons(self) -> tuple[LeftOut, ...]:
        """Return them by reason."""
        return tuple(self._reasons.values())
