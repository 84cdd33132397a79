"""The commands for the outbox of a shop: status, list, withdraw, relay, reconcile, prune."""

from typing import Annotated

import typer

from kaspi_delivery_async.cli.environment import connect
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, EnvironmentName
from kaspi_delivery_async.cli.signals import run_until_signalled

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Location = Annotated[
    str,
    typer.Option(
        "--outbox",
        metavar="FILE|URL",
        envvar="KASPI_OUTBOX",
        help="The shop's database, before KASPI_OUTBOX: an SQLite file or a PostgreSQL URL.",
    ),
]
SchemaName = Annotated[
    str | None, typer.Option("--schema", metavar="NAME", help="Schema of the outbox's tables on PostgreSQL.")
]


@app.callback()
def _about() -> None:
    """Look after the outbox of a shop: orders that were committed with their couriers, and what the API made of them.

    No command creates tables: the shop's program does, or its migrations.
    """


@app.command()
def status(*, outbox: Location, schema: SchemaName = None, as_json: AsJson = False) -> None:
    """Count the orders by state, and show which relays run or are paused, and why."""
    from kaspi_delivery_async.cli.outbox import runs

    run_until_signalled(runs.show_status(runs.existing(outbox, schema), as_json=as_json))


@app.command("list")
def list_entries(
    *,
    outbox: Location,
    schema: SchemaName = None,
    state: Annotated[
        list[str] | None, typer.Option(metavar="STATE", help="Only orders in this state; may be given several times.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the orders, those first that were enqueued first."""
    from kaspi_delivery_async.cli.outbox import runs

    run_until_signalled(runs.list_entries(runs.existing(outbox, schema), state or (), as_json=as_json))


@app.command()
def withdraw(
    order_ids: Annotated[list[str], typer.Argument(metavar="ORDER_ID...", help="The shop's order ids.")],
    *,
    outbox: Location,
    schema: SchemaName = None,
    as_json: AsJson = False,
) -> int:
    """Withdraw orders of which nothing has left; exit code 1 if one has left, or is not there."""
    from kaspi_delivery_async.cli.outbox import runs

    return run_until_signalled(runs.withdraw(runs.existing(outbox, schema), order_ids, as_json=as_json))


@app.command()
def relay(
    *,
    outbox: Location,
    schema: SchemaName = None,
    on_result: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION", help="Called for each result; without it, results wait for a relay that has one."
        ),
    ] = None,
    on_status: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="Called for each status; likewise.")
    ] = None,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of orders in flight.")] = 16,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Send orders as they are committed, until Ctrl-C or SIGTERM; orders in flight are completed then.

    Any number of relays may run at once. Counts are shown whenever they change.
    """
    import asyncio

    from kaspi_delivery_async.cli.outbox import runs

    client = connect(base_url=base_url, environment=environment)
    callbacks = runs.callback_at(on_result), runs.callback_at(on_status)
    opened = runs.existing(outbox, schema)
    asyncio.run(runs.relay(opened, client, callbacks=callbacks, concurrency=concurrency, as_json=as_json))


@app.command()
def reconcile(
    *,
    outbox: Location,
    schema: SchemaName = None,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    as_json: AsJson = False,
) -> int:
    """Ask the API about orders in doubt and silent deliveries, and list what a person has to look up.

    Exit code 1 if there is something to look up. The API has no look-up by order id.
    """
    from kaspi_delivery_async.cli.outbox import runs

    client = connect(base_url=base_url, environment=environment)
    return run_until_signalled(runs.reconcile(runs.existing(outbox, schema), client, as_json=as_json))


@app.command()
def prune(
    *,
    outbox: Location,
    schema: SchemaName = None,
    days: Annotated[float, typer.Option(metavar="DAYS", min=0, help="Age of the last change, at least.")],
    as_json: AsJson = False,
) -> None:
    """Erase phones, addresses, links and error texts of orders whose state is final.

    Order id, key, delivery id and state stay, so that the same order is never a second courier.
    """
    from kaspi_delivery_async.cli.outbox import runs

    run_until_signalled(runs.prune(runs.existing(outbox, schema), days=days, as_json=as_json))
