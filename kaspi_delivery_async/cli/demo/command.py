"""The command that shows it all on this machine: creating, following, cancelling, webhooks, and safe repeats."""

from typing import Annotated

import typer

from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.options import FASTEST, AsJson
from kaspi_delivery_async.cli.signals import run_until_signalled


def demo(
    *,
    speed: Annotated[
        float, typer.Option(metavar="FACTOR", min=60, max=FASTEST, help="Seconds that pass in the sandbox per second.")
    ] = 900.0,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Ids, durations and faults follow from it.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the sandbox and its page running until Ctrl-C or SIGTERM.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Deliver two dozen made-up orders on this machine.

    It takes a quarter of a minute. A local sandbox takes orders from Almaty, Astana and Shymkent, breaks connections
    on purpose, and sends webhooks; the client creates all deliveries at once, follows each to its end, cancels one,
    and orders no courier twice. The exit code is 0 only if every delivery ended as expected.
    It says the URL of the sandbox's page, which shows all of it in a browser.
    """
    from kaspi_delivery_async.cli.demo.run import perform
    from kaspi_delivery_async.cli.demo.views import choose_view

    if not run_until_signalled(perform(choose_view(as_json=as_json), speed=speed, seed=seed, keep=keep)):
        raise typer.Exit(ExitCode.FAILED)
