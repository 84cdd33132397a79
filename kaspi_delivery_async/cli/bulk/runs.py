"""Carries out the bulk commands: runs what was asked for, shows it, and ends gently on Ctrl-C and SIGTERM."""

import asyncio
import signal
import sys
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async.bulk import Journal, OrderFile, check_orders, create_deliveries
from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.bulk.report import Report
from kaspi_delivery_async.cli.bulk.results_file import ResultsFile, opened
from kaspi_delivery_async.cli.bulk.text import entry_values, totals_text, totals_values
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.options import Limits

if TYPE_CHECKING:
    from kaspi_delivery_async.client import DeliveryClient


async def create(
    client: "DeliveryClient", orders: OrderFile, report: Report, *, journal: str, concurrency: int, rate: float | None
) -> ExitCode:
    """Create deliveries in this process."""
    async with _limited(client, rate) as limited, Journal(journal) as opened_journal:
        return await report.follow(
            create_deliveries(
                limited, orders, journal=opened_journal, concurrency=concurrency, on_pause=report.announce
            )
        )


async def resume(
    client: "DeliveryClient", report: Report, *, journal: str, concurrency: int, rate: float | None
) -> ExitCode:
    """Finish what a journal holds."""
    async with _limited(client, rate) as limited, _existing(journal) as opened_journal:
        return await report.follow(
            create_deliveries(
                limited,
                opened_journal.unfinished(),
                journal=opened_journal,
                concurrency=concurrency,
                on_pause=report.announce,
            )
        )


async def create_on_dask(
    client: "DeliveryClient",
    orders: OrderFile,
    report: Report,
    *,
    journal: str,
    concurrency: int,
    rate: float | None,
    address: str | None,
) -> ExitCode:
    """Create deliveries on a Dask cluster; without an address, on one of this machine."""
    from kaspi_delivery_async.bulk.chunks import create_deliveries_on
    from kaspi_delivery_async.bulk.dask import DaskExecutor

    if address is not None and isinstance(parse_location(journal), Path):
        raise ConfigurationError("several machines cannot share an SQLite file; give a PostgreSQL URL as --journal")
    async with DaskExecutor(address) as executor:
        return await report.follow(
            create_deliveries_on(
                executor,
                orders,
                base_url=client.base_url,
                journal=journal,
                concurrency=concurrency,
                rate=rate,
                on_pause=report.announce,
            )
        )


async def check(orders: OrderFile, *, as_json: bool) -> ExitCode:
    """Check every line of an input."""
    good = wrong = 0
    async for problem in check_orders(orders):
        if problem is None:
            good += 1
        else:
            wrong += 1
            output.emit(
                {"event": "problem", "error": str(problem)}, Text(output.printable(str(problem))), as_json=as_json
            )
    summary = {"event": "summary", "good": good, "wrong": wrong}
    output.emit(summary, Text(f"{good} orders are good, {wrong} are not; nothing was sent"), as_json=as_json)
    return ExitCode.USAGE if wrong else ExitCode.DONE


async def show_totals(journal: str, *, as_json: bool) -> None:
    """Count a journal's orders."""
    async with _existing(journal) as opened_journal:
        totals = await opened_journal.totals()
    output.emit(totals_values(totals), totals_text(totals), as_json=as_json)


async def export(journal: str, target: Path | None, *, as_json: bool) -> None:
    """Write all that a journal knows to a file or to stdout."""
    async with AsyncExitStack() as resources:
        opened_journal = await resources.enter_async_context(_existing(journal))
        file = resources.enter_context(opened(target, spared=[journal])) if target else sys.stdout
        table = ResultsFile(file, name=target or "standard output", as_json=as_json)
        async for entry in opened_journal.entries():
            table.add(entry_values(entry))


def until_signalled(work: Coroutine[None, None, ExitCode]) -> int:
    """Run to the end, or until Ctrl-C or SIGTERM: then orders under way end, and the summary is still shown."""
    heard: list[int] = []
    # Only the main thread is given signals.
    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()

    async def watched() -> int:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)

        def hear(number: int, _frame: FrameType | None) -> None:
            heard.append(number)
            loop.call_soon_threadsafe(task.cancel)

        before = {number: signal.signal(number, hear) for number in signals}
        try:
            return await task
        except asyncio.CancelledError:
            typer.echo(
                "Stopped; what was under way has ended: see `bulk status`. The same command continues.", err=True
            )
            return 128 + heard[0]  # as shells count signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return asyncio.run(watched())


def _limited(client: "DeliveryClient", rate: float | None) -> "DeliveryClient":
    return client if rate is None else client.with_options(limits=Limits(rate=rate))


def _existing(location: str) -> Journal:
    place = parse_location(location)
    if isinstance(place, Path) and not place.exists():
        raise ConfigurationError(f"there is no journal {place}; `bulk create --journal` makes one")
    return Journal(location)
