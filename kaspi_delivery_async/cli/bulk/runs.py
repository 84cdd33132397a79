"""Runs of the bulk commands: what is opened for each, and how it is stopped by Ctrl-C and SIGTERM."""

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from rich.text import Text

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async.bulk import Erasure, Journal, OrderFile, create_deliveries
from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.bulk.output.report import Report
from kaspi_delivery_async.cli.bulk.output.rows import Rows
from kaspi_delivery_async.cli.bulk.output.text import (
    ERASED_IN_FILE,
    ERASED_IN_POSTGRESQL,
    ERASURES,
    entry_values,
    totals_text,
    totals_values,
)
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.signals import stop_signals
from kaspi_delivery_async.cli.streams import say
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.options import Limits

if TYPE_CHECKING:
    from kaspi_delivery_async.client import DeliveryClient


@attrs.frozen(kw_only=True)
class Settings:
    """What `bulk create` and `bulk resume` have in common."""

    journal: str
    results: Rows | None
    concurrency: int
    rate: float | None
    as_json: bool


async def create(client: "DeliveryClient", orders: OrderFile | None, settings: Settings) -> int:
    """Create deliveries in this process: those of a file, or None to finish the open orders of the journal."""
    rate = settings.rate
    limited = client if rate is None else client.with_options(limits=Limits(rate=rate))
    with stop_signals(is_gentle=False) as stop:
        async with limited, Journal(settings.journal) as journal:
            report = Report(settings.results, as_json=settings.as_json, source=orders, stop=stop)
            stop.is_gentle = True
            return await report.follow(
                create_deliveries(
                    limited,
                    journal.unfinished() if orders is None else orders,
                    journal=journal,
                    concurrency=settings.concurrency,
                    on_pause=report.announce,
                    stop=stop,
                )
            )


async def create_on_dask(
    client: "DeliveryClient", orders: OrderFile, settings: Settings, *, scheduler: str | None
) -> int:
    """Create deliveries on a Dask cluster; None starts one on this machine."""
    from kaspi_delivery_async.bulk.chunks import create_deliveries_on
    from kaspi_delivery_async.bulk.dask import DaskExecutor

    if scheduler is not None and isinstance(parse_location(settings.journal), Path):
        raise ConfigurationError("several machines cannot share an SQLite file; give a PostgreSQL URL as --journal")
    with stop_signals(is_gentle=False) as stop:
        report = Report(settings.results, as_json=settings.as_json, source=orders, stop=stop)
        async with DaskExecutor(scheduler, on_workers=report.announce_workers) as executor:
            stop.is_gentle = True
            return await report.follow(
                create_deliveries_on(
                    executor,
                    orders,
                    base_url=client.base_url,
                    journal=settings.journal,
                    concurrency=settings.concurrency,
                    rate=settings.rate,
                    on_pause=report.announce,
                    stop=stop,
                )
            )


async def show_totals(journal: str, *, as_json: bool) -> None:
    """Count a journal's orders."""
    async with existing(journal) as opened_journal:
        totals = await opened_journal.totals()
    output.emit(totals_values(totals), totals_text(totals), as_json=as_json)


async def erase(journal: str, order_ids: list[str], *, as_json: bool) -> ExitCode:
    """Erase orders of a journal."""
    async with existing(journal) as opened_journal:
        outcomes = await opened_journal.erase(order_ids)
    for order_id, outcome in outcomes.items():
        values = {"event": "erasure", "orderId": order_id, "outcome": outcome.value}
        output.emit(values, Text(f"{output.printable(order_id)}: {ERASURES[outcome]}"), as_json=as_json)
    is_file = isinstance(parse_location(journal), Path)
    say(ERASED_IN_FILE if is_file else ERASED_IN_POSTGRESQL)
    done = all(outcome in {Erasure.ERASED, Erasure.REMOVED} for outcome in outcomes.values())
    return ExitCode.DONE if done else ExitCode.FAILED


async def export(journal: str, rows: Rows) -> None:
    """Write the orders of a journal."""
    async with existing(journal) as opened_journal:
        async for entry in opened_journal.entries():
            rows.add(entry_values(entry))
            await rows.room()
    await rows.room(pending=0)


def existing(location: str) -> Journal:
    """Open a journal that is there: a mistyped path must not look like an empty one."""
    place = parse_location(location)
    if isinstance(place, Path) and not place.exists():
        raise ConfigurationError(f"there is no journal {place}; `bulk create --journal` makes one")
    return Journal(location)
