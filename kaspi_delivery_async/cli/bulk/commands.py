"""The commands for many deliveries at once: bulk create, resume, status, export."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from kaspi_delivery_async.cli.environment import connect
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, EnvironmentName
from kaspi_delivery_async.errors import ConfigurationError

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

LOCAL = "local"
"""What `--dask` means by itself: a cluster of processes on this machine."""

Location = Annotated[str, typer.Argument(metavar="JOURNAL", help="The journal: an SQLite file or a PostgreSQL URL.")]
Concurrency = Annotated[int, typer.Option(metavar="N", min=1, help="Orders under way at once (per worker).")]
Rate = Annotated[
    float | None, typer.Option(metavar="N", help="Requests per second that you may make, all workers together.")
]
ResultsFile = Annotated[
    Path | None, typer.Option("--results", metavar="FILE", help="Write a CSV row about each order as it finishes.")
]


class _WithDask(TyperCommand):
    """Lets `--dask` stand by itself, or before a scheduler's address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--dask` its value."""
        return super().parse_args(ctx, _with_dask_value(args))


def _with_dask_value(arguments: Sequence[str]) -> list[str]:
    return [
        f"--dask={LOCAL}" if argument == "--dask" and "://" not in following else argument
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=True)
    ]


@app.callback()
def _about() -> None:
    """Create thousands of deliveries, each exactly once, and continue after a crash."""


@app.command(cls=_WithDask)
def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The orders: CSV with a header, or JSON Lines.")],
    *,
    journal: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Remembers what was sent: an SQLite file or a PostgreSQL URL."),
    ] = None,
    results: ResultsFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line, and send nothing.")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=FIELD", help="What a column of the file means; `NAME=` ignores it."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="`csv` or `jsonl`; by default told from the file's name.")
    ] = None,
    encoding: Annotated[str, typer.Option(metavar="NAME", help="`windows-1251` for what Excel writes.")] = "utf-8",
    delimiter: Annotated[str | None, typer.Option(metavar="CHAR", help="`,` `;` or `tab`; found out if unset.")] = None,
    grouped_numbers: Annotated[bool, typer.Option("--grouped-numbers", help="Read `18 000` as 18000.")] = False,
    concurrency: Concurrency = 64,
    rate: Rate = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="[URL]", help="Spread the work over processes here, or over tcp://scheduler:8786."),
    ] = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Create a delivery for every order of a file.

    Running it again with the same journal continues: an order is never sent twice, whatever happened
    in between. Ctrl-C lets the orders under way end. Columns are the paths of an order's fields:

    \b
    externalOrderId, pickup.address, pickup.contact.name, pickup.contact.phone, pickup.notes,
    dropoff.address, dropoff.contact.name, dropoff.contact.phone, dropoff.notes,
    parcel.description, parcel.weightGrams, parcel.valueKzt

    A file as Excel writes it here: --encoding windows-1251 --grouped-numbers, and --map for its column names.
    """
    from kaspi_delivery_async.bulk import read_orders
    from kaspi_delivery_async.cli.bulk import runs
    from kaspi_delivery_async.cli.bulk.report import Report

    orders = read_orders(
        file,
        format=format,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it is checked there
        encoding=encoding,
        delimiter="\t" if delimiter == "tab" else delimiter,
        columns=_columns(column or ()),
        grouped_numbers=grouped_numbers,
    )
    if dry_run:
        raise typer.Exit(asyncio.run(runs.check(orders, as_json=as_json)))
    if journal is None:
        raise ConfigurationError("--journal is missing: name a file, such as run.sqlite, that remembers what was sent")
    client = connect(base_url=base_url, environment=environment)
    report = Report(results, as_json=as_json, source=orders, spared=[file, journal])
    if dask is None:
        work = runs.create(client, orders, report, journal=journal, concurrency=concurrency, rate=rate)
    else:
        work = runs.create_on_dask(
            client,
            orders,
            report,
            journal=journal,
            concurrency=concurrency,
            rate=rate,
            address=None if dask == LOCAL else dask,
        )
    raise typer.Exit(runs.until_signalled(work))


@app.command()
def resume(
    journal: Location,
    *,
    results: ResultsFile = None,
    concurrency: Concurrency = 64,
    rate: Rate = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Bring the orders of a journal that are not finished to an end, without the file they came from."""
    from kaspi_delivery_async.cli.bulk import runs
    from kaspi_delivery_async.cli.bulk.report import Report

    client = connect(base_url=base_url, environment=environment)
    report = Report(results, as_json=as_json, source=None, spared=[journal])
    work = runs.resume(client, report, journal=journal, concurrency=concurrency, rate=rate)
    raise typer.Exit(runs.until_signalled(work))


@app.command()
def status(journal: Location, *, as_json: AsJson = False) -> None:
    """Count the orders of a journal by state."""
    from kaspi_delivery_async.cli.bulk import runs

    asyncio.run(runs.show_totals(journal, as_json=as_json))


@app.command()
def export(
    journal: Location,
    *,
    target: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where to; stdout if unset.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write all that a journal knows: a CSV row, or with --json a line of JSON, about each order."""
    from kaspi_delivery_async.cli.bulk import runs

    asyncio.run(runs.export(journal, target, as_json=as_json))


def _columns(mappings: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for mapping in mappings:
        name, separator, field = mapping.rpartition("=")
        if not separator or not name.strip():
            raise ConfigurationError(f"--map {mapping!r}: expected NAME=FIELD, such as 'Phone=dropoff.contact.phone'")
        columns[name] = field
    return columns
