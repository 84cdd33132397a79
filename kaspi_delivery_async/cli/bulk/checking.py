"""Checks a file of orders and sums it up for the person who is about to send couriers."""

import hashlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
from rich.text import Text

from kaspi_delivery_async.bulk import OrderFile, check_orders
from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.language import translated as _
from kaspi_delivery_async.cli.streams import room, say
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.models import DeliveryRequest, to_json
from kaspi_delivery_async.order_files import Line

_YES = frozenset({"y", "yes", "д", "да", "и", "иә", "ия"})
_BLOCK = 1024 * 1024


@attrs.define
class Summary:
    """What a file holds."""

    good: int = 0
    wrong: int = 0
    warnings: int = 0
    left_out: int = 0
    value: int = 0
    heaviest: tuple[int, str] = (0, "")
    """Grams, and the order's id with its place."""

    def take(self, order: DeliveryRequest, place: str) -> None:
        """Count an order that can be sent."""
        self.good += 1
        self.value += order.parcel.value_kzt
        if order.parcel.weight_grams > self.heaviest[0]:
            self.heaviest = order.parcel.weight_grams, f"{order.external_order_id} ({place})"

    def values(self, *, is_mapped: bool) -> dict[str, object]:
        """Describe it for programs."""
        values: dict[str, object] = {"event": "summary", "good": self.good, "wrong": self.wrong}
        if is_mapped:
            values |= {
                "leftOut": self.left_out,
                "warnings": self.warnings,
                "valueKzt": self.value,
                "heaviestGrams": self.heaviest[0],
            }
        return values

    def lines(self, *, is_mapped: bool) -> Iterator[str]:
        """Describe it for people."""
        yield _("{good} valid, {wrong} invalid; nothing was sent").format(good=self.good, wrong=self.wrong)
        if is_mapped:
            counts = {"left_out": self.left_out, "warnings": self.warnings}
            yield _("{left_out} left out, {warnings} warnings").format(**counts)
        if is_mapped and self.good:
            value = f"{self.value:,}".replace(",", " ")
            grams, name = self.heaviest
            text = _("total value {value} ₸; the heaviest parcel weighs {kilograms} kg: {name}")
            yield text.format(value=value, kilograms=f"{grams / 1000:g}", name=name)


async def check(orders: OrderFile, *, as_json: bool) -> tuple[ExitCode, Summary]:
    """Check every order of a file, and show what is wrong, what is doubtful and what is left out."""
    summary = Summary()
    latest: list[Line] = []

    async def watched() -> AsyncIterator[Line]:
        async for line in orders:
            latest[:] = [line]
            yield line

    with closing(_Duplicates()) as duplicates:
        async for problem in check_orders(watched()):
            (line,) = latest
            if problem is not None or not isinstance(line.order, DeliveryRequest):
                summary.wrong += 1
                _show("problem", "error", str(problem), as_json=as_json)
                await room()
                continue
            summary.take(line.order, line.place)
            warnings = [f"{line.place}: {warning}" for warning in line.warnings]
            if orders.is_mapped:
                warnings += duplicates.look(line)
            for warning in warnings:
                summary.warnings += 1
                _show("warning", "warning", warning, as_json=as_json)
                await room()
    for left in orders.left_out:
        summary.left_out += left.count
        if not left.is_expected:
            summary.warnings += 1
        values = {"event": "leftOut", "reason": left.reason, "count": left.count, "orders": left.named}
        output.emit(values, Text(output.printable(_left_out(left.reason, left.count, left.named))), as_json=as_json)
    text = "\n".join(map(output.printable, summary.lines(is_mapped=orders.is_mapped)))
    output.emit(summary.values(is_mapped=orders.is_mapped), Text(text), as_json=as_json)
    return ExitCode.USAGE if summary.wrong else ExitCode.DONE, summary


async def confirmed(orders: OrderFile, path: Path) -> bool:
    """Show what a file holds and ask for a yes; raises `ConfigurationError` if the file has changed meanwhile."""
    before = fingerprint(path)
    _code, summary = await check(orders, as_json=False)
    if not summary.good:
        return False
    say(_("Send {good} couriers? [yes/no]").format(good=summary.good))
    if sys.stdin.readline().strip().casefold() not in _YES:
        say(_("Nothing was sent."))
        return False
    if fingerprint(path) != before:
        raise ConfigurationError(
            f"{path.name} has changed since it was checked; nothing was sent: run the command again"
        )
    return True


def fingerprint(path: Path) -> str:
    """Return what changes with a file's content."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _left_out(reason: str, count: int, named: list[str]) -> str:
    more = "…" if count > len(named) else ""
    text = _("left out, {count}: {reason}: {names}")
    return text.format(count=count, reason=reason, names=", ".join(named) + more)


def _show(event: str, key: str, text: str, *, as_json: bool) -> None:
    shown = text if event == "problem" else _("warning: {text}").format(text=text)
    output.emit({"event": event, key: text}, Text(output.printable(shown)), as_json=as_json)


class _Duplicates:
    """Orders that differ in nothing but their id: most likely one order that was exported twice."""

    def __init__(self) -> None:
        # An empty name is a temporary database: SQLite moves it to the disk when it grows.
        self._database = sqlite3.connect("")
        self._database.execute("CREATE TABLE seen (content BLOB PRIMARY KEY, name TEXT) WITHOUT ROWID")

    def look(self, line: Line) -> list[str]:
        """Take an order; return the warning about it, if there is one."""
        order: Any = line.order
        content = hashlib.sha256(to_json(attrs.evolve(order, external_order_id="-"))).digest()
        name = f"{order.external_order_id} ({line.place})"
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (content, name)).rowcount:
            return []
        ((first,),) = self._database.execute("SELECT name FROM seen WHERE content = ?", (content,))
        return [f"{line.place}: {order.external_order_id} has the receiver and the parcel of {first}; is it one order?"]

    def close(self) -> None:
        """Give the disk space back."""
        self._database.close()
