"""The commands for many deliveries at once: bulk create, resume, status, erase, export."""

import asyncio
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaspi_delivery_async.cli.environment import connect
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, EnvironmentName
from kaspi_delivery_async.cli.signals import run_until_signalled
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from kaspi_delivery_async.cli.bulk.output.rows import Rows

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Location = Annotated[str, typer.Argument(metavar="JOURNAL", help="The journal: an SQLite file or a PostgreSQL URL.")]
Concurrency = Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of orders in flight (per worker).")]
Rate = Annotated[
    float | None, typer.Option(metavar="N", help="Your rate limit in requests per second, for all workers together.")
]
ResultsFile = Annotated[
    Path | None,
    typer.Option(
        "--results", metavar="FILE", help="Write a CSV row for each order as it finishes; `.xlsx` makes a workbook."
    ),
]
ForExcel = Annotated[bool, typer.Option("--excel", help="Write CSV that Excel opens as columns.")]


@app.callback()
def _about() -> None:
    """Create thousands of deliveries, each exactly once, and resume after a crash."""


@app.command()
def create(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The orders: CSV or Excel with a header, or JSON Lines.")
    ],
    *,
    journal: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="The record of what was sent: an SQLite file or a PostgreSQL URL."),
    ] = None,
    results: ResultsFile = None,
    for_excel: ForExcel = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line and send nothing.")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=FIELD", help="The field that a column holds; `NAME=` ignores the column."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A `mapping.toml`: how the columns of your own export become orders."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What made the file: kaspi-cabinet, insales, woocommerce, shopify, ozon, 1c or opencart.",
        ),
    ] = None,
    is_confirmed: Annotated[
        bool, typer.Option("--yes", help="Do not ask before sending, as it is done in a terminal with a mapping.")
    ] = False,
    format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="`csv`, `xlsx` or `jsonl`; by default follows from the file's name."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Such as `windows-1251`; by default it is found out.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(metavar="CHAR", help="`,` `;` or `tab`; by default follows from the header.")
    ] = None,
    grouped_numbers: Annotated[bool, typer.Option("--grouped-numbers", help="Read `18 000` as 18000.")] = False,
    concurrency: Concurrency = 64,
    rate: Rate = None,
    dask: Annotated[bool, typer.Option("--dask", help="Spread the work over processes of this machine.")] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Spread the work over a Dask cluster, such as tcp://host:8786."),
    ] = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Create a delivery for every order of a file.

    Running it again with the same journal resumes it: no order is sent twice, whatever happened in between. Ctrl-C
    completes the orders in flight and reports them; a second Ctrl-C abandons them until the next run. Columns are the
    paths of an order's fields:

    \b
    externalOrderId, pickup.address, pickup.contact.name, pickup.contact.phone, pickup.notes,
    dropoff.address, dropoff.contact.name, dropoff.contact.phone, dropoff.notes,
    parcel.description, parcel.weightGrams, parcel.valueKzt

    For CSV from Excel: --grouped-numbers, and --map for its column names. For the export of a shop's own system:
    --preset and --mapping; then, in a terminal, it shows what would be sent and asks for a yes.
    """
    from kaspi_delivery_async.bulk import read_orders
    from kaspi_delivery_async.cli.bulk import checking, runs

    orders = read_orders(
        file,
        format=format,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it is checked there
        encoding=encoding,
        delimiter="\t" if delimiter == "tab" else delimiter,
        columns=_columns(column or ()),
        grouped_numbers=grouped_numbers,
        mapping=mapping,
        preset=preset,
    )
    if dry_run:
        checked, _ = run_until_signalled(checking.check(orders, as_json=as_json))
        raise typer.Exit(checked)
    if journal is None:
        raise ConfigurationError(
            "--journal is required: an SQLite file (such as run.sqlite) or PostgreSQL URL that records what was sent"
        )
    client = connect(base_url=base_url, environment=environment)
    is_asked = orders.is_mapped and not is_confirmed and not as_json and sys.stdin.isatty()
    if is_asked and not run_until_signalled(checking.confirmed(orders, file)):
        raise typer.Exit(ExitCode.USAGE)
    with _opened(results, spared=[file, journal], for_excel=for_excel) as rows:
        settings = runs.Settings(journal=journal, results=rows, concurrency=concurrency, rate=rate, as_json=as_json)
        if dask or scheduler is not None:
            work = runs.create_on_dask(client, orders, settings, scheduler=scheduler)
        else:
            work = runs.create(client, orders, settings)
        code = asyncio.run(work)
    raise typer.Exit(code)


@app.command("map")
def map_columns(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The export of a shop's own system.")],
    *,
    target: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write; by default standard output.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Such as `windows-1251`; by default it is found out.")
    ] = None,
) -> None:
    """Propose a mapping for a file, to be looked at and completed, and show what it makes of the first rows."""
    from kaspi_delivery_async.cli.bulk import mapping_command

    mapping_command.propose(file, target=target, encoding=encoding)


@app.command()
def resume(
    journal: Location,
    *,
    results: ResultsFile = None,
    for_excel: ForExcel = False,
    concurrency: Concurrency = 64,
    rate: Rate = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Finish the open orders of a journal. The input file is not needed."""
    from kaspi_delivery_async.cli.bulk import runs

    client = connect(base_url=base_url, environment=environment)
    results_file = _opened(results, spared=[journal], for_excel=for_excel)
    runs.existing(journal)
    with results_file as rows:
        settings = runs.Settings(journal=journal, results=rows, concurrency=concurrency, rate=rate, as_json=as_json)
        code = asyncio.run(runs.create(client, None, settings))
    raise typer.Exit(code)


@app.command()
def status(journal: Location, *, as_json: AsJson = False) -> None:
    """Count the orders of a journal by state."""
    from kaspi_delivery_async.cli.bulk import runs

    run_until_signalled(runs.show_totals(journal, as_json=as_json))


@app.command()
def erase(
    journal: Location,
    order_ids: Annotated[list[str], typer.Argument(metavar="ORDER_ID...", help="The orders of the person.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Erase names, phones and addresses of orders from a journal, and say what remains."""
    from kaspi_delivery_async.cli.bulk import runs

    raise typer.Exit(run_until_signalled(runs.erase(journal, order_ids, as_json=as_json)))


@app.command()
def export(
    journal: Location,
    *,
    target: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write; by default standard output.")
    ] = None,
    for_excel: ForExcel = False,
    as_json: AsJson = False,
) -> None:
    """Write a CSV row, or with --json a line of JSON, for each order of a journal."""
    from kaspi_delivery_async.cli.background_writer import OutputError
    from kaspi_delivery_async.cli.bulk import runs
    from kaspi_delivery_async.cli.bulk.output.rows import Rows
    from kaspi_delivery_async.cli.streams import stdout

    target_file = _opened(target, spared=[journal], as_json=as_json, for_excel=for_excel)
    runs.existing(journal)
    with target_file as file:
        rows = file or Rows(stdout(), name="standard output", as_json=as_json)
        try:
            run_until_signalled(runs.export(journal, rows))
        except OutputError as error:
            if file is None:
                raise
            raise ConfigurationError(f"{target} cannot be written: {error}; name another file") from None


@app.command()
def report(
    journal: Location,
    *,
    target: Annotated[Path, typer.Option("--output", metavar="FILE", help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one page of HTML: what was made, refused and left open, how long it took, and when."""
    from kaspi_delivery_async.cli.bulk import report_page

    if target.resolve() == Path(journal).resolve():
        raise ConfigurationError(f"{target} is read by this command and would be overwritten; name another file")
    page = run_until_signalled(report_page.report_page(journal))
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}; name another file") from None


def _opened(
    path: Path | None, *, spared: Iterable[str | Path], as_json: bool = False, for_excel: bool = False
) -> "AbstractContextManager[Rows | None]":
    from kaspi_delivery_async.cli.bulk.output.rows import opened

    return nullcontext() if path is None else opened(path, spared=spared, as_json=as_json, for_excel=for_excel)


def _columns(mappings: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for mapping in mappings:
        name, separator, field = mapping.rpartition("=")
        if not separator or not name.strip():
            raise ConfigurationError(f"--map {mapping!r}: expected NAME=FIELD, such as 'Phone=dropoff.contact.phone'")
        columns[name] = field
    return columns
