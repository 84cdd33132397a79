"""Changes between two descriptions: each with its rule, its place and whom it affects."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs

from codegen.comparison.rules import BREAKING, RULES, Direction, Impact
from codegen.description.flatten import same
from codegen.description.shapes import TEXTS
from codegen.documents import Json

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Change:
    """One difference: the rule it falls under and what that means, where and what it is, and whom it affects."""

    rule: str
    meaning: str
    place: str
    detail: str
    impacts: frozenset[Impact]


class Findings:
    """Collects differences; one that is found in what is sent and in what is received is one change."""

    def __init__(self) -> None:
        self.direction = Direction.SENT
        self._found: dict[tuple[str, str, str], set[Direction]] = {}

    @property
    def count(self) -> int:
        """How many differences there are so far."""
        return len(self._found)

    def add(self, rule: str, place: str, detail: str = "") -> None:
        """Note a difference in what goes the present way."""
        self._found.setdefault((rule, place, detail), set()).add(self.direction)

    def text(self, place: str, old: Json, new: Json) -> None:
        """Note it if two texts, or anything else without a meaning for programs, differ."""
        if not same(old, new):
            self.add("text-changed", place)

    def rest(self, place: str, old: Mapping[str, Any], new: Mapping[str, Any], *, known: Iterable[str]) -> None:
        """Note each difference at a key that no rule has looked at."""
        known = frozenset(known)
        for key, before, after in pairs(old, new):
            if key in known or same(before, after):
                continue
            if key in TEXTS or key.startswith("x-"):
                self.add("text-changed", place)
            else:
                self.add("unclassified", place, f"`{key}`: {shown(before)} is now {shown(after)}")

    @contextmanager
    def going(self, direction: Direction) -> Iterator[None]:
        """Judge what is found meanwhile as data that goes this way."""
        before, self.direction = self.direction, direction
        try:
            yield
        finally:
            self.direction = before

    def changes(self) -> tuple[Change, ...]:
        """Return everything found, judged by its rules, in the order of the description."""
        return tuple(
            Change(
                rule=rule,
                meaning=RULES[rule].meaning,
                place=place,
                detail=detail,
                impacts=_worst(RULES[rule].impacts(direction) for direction in directions),
            )
            for (rule, place, detail), directions in self._found.items()
        )


def _worst(judged: Iterable[frozenset[Impact]]) -> frozenset[Impact]:
    impacts = frozenset[Impact]().union(*judged)
    return impacts & BREAKING or frozenset({min(impacts, key=list(Impact).index)})


def pairs(old: Mapping[str, T], new: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    """Yield each key of two mappings with both its values, None where there is none."""
    for key in {**old, **new}:
        yield key, old.get(key), new.get(key)


def shown(value: Json) -> str:
    """Return a value as a report shows it."""
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
