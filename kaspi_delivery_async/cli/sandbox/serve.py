"""The command that serves a sandbox to other programs."""

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaspi_delivery_async.cli.environment import SECRETS_FROM, webhook_secrets
from kaspi_delivery_async.cli.options import FASTEST, AsJson
from kaspi_delivery_async.cli.signals import InterruptedBySignalError, stop_signals
from kaspi_delivery_async.cli.streams import PATIENCE, finish_output
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from kaspi_delivery_async.cli.sandbox.activity import Activity
    from kaspi_delivery_async.cli.sandbox.welcome import Shown
    from kaspi_delivery_async.sandbox import Clock, Sandbox


def _explain_faults(faults: list[str] | None) -> list[str] | None:
    if faults and "help" in faults:
        from kaspi_delivery_async.sandbox import fault_help

        typer.echo(fault_help())
        raise typer.Exit
    return faults


def serve(
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every one of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="PORT", min=0, max=65535, help="Port to listen on; 0 for a free one.")
    ] = 8420,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name, beside localhost, by which programs call it; may be repeated."),
    ] = None,
    remote_control: Annotated[
        bool, typer.Option("--remote-control", help="Let other machines use the control API, too.")
    ] = False,
    speed: Annotated[
        float,
        typer.Option(
            metavar="FACTOR",
            min=0,
            max=FASTEST,
            help="Speed of the sandbox clock; 0 stops it, so that time moves only through the control API.",
        ),
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What the clock shows first, such as 2024-06-11T08:10:54Z; now by default."),
    ] = None,
    manual: Annotated[bool, typer.Option("--manual", help="Deliveries move only through the control API.")] = False,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="API key to accept; several, as while one is rotated. KASPI_API_KEY, or sandbox-key, by default.",
        ),
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where events are sent; on this machine only.")
    ] = None,
    webhook_secret: Annotated[
        str | None,
        typer.Option(metavar="SECRET", help=f"Signs the events; {SECRETS_FROM}, or sandbox-secret, by default."),
    ] = None,
    self_signed_receiver: Annotated[
        bool, typer.Option("--self-signed-receiver", help="Take the certificate of an https receiver as it is.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="FAULT",
            callback=_explain_faults,
            help="What goes wrong, such as create:commit-then-drop:0.05; may be repeated; `help` lists all.",
        ),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="How to behave where the vendor's pages are silent: see openapi/README.md."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Ids, durations and chances follow from it; a new one each time if unset."),
    ] = None,
    state_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An SQLite file that keeps the state over restarts.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no line for each request and attempt.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print bodies, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve a sandbox on this machine until Ctrl-C or SIGTERM, and print each request and webhook attempt."""
    from kaspi_delivery_async.cli.sandbox.activity import Activity
    from kaspi_delivery_async.cli.sandbox.welcome import Shown
    from kaspi_delivery_async.sandbox import Assumptions, FaultError, Journey, Sandbox

    environment_key = os.environ.get("KASPI_API_KEY", "").strip()
    first, *others = api_key or [environment_key or "sandbox-key"]
    environment_secret = webhook_secrets(os.environ)[0] if os.environ.get(SECRETS_FROM) else ""
    shown = Shown(
        api_key=bool(api_key) or not environment_key,
        webhook_secret=webhook_secret is not None or not environment_secret,
    )
    try:
        sandbox = Sandbox(
            api_key=first,
            api_keys=others,
            webhook_secret=(environment_secret or "sandbox-secret") if webhook_secret is None else webhook_secret,
            webhook_url=webhook_url,
            self_signed_receiver=self_signed_receiver,
            clock=_clock(speed, start),
            journey=None if manual else Journey(),
            faults=fault or (),
            assumptions=Assumptions.parse(assume or ()),
            seed=seed,
            host=host.strip("[]"),
            port=port,
            allowed_hosts=allow_host or (),
            remote_control=remote_control,
            state_file=state_file,
        )
    except FaultError as error:
        raise ConfigurationError(f"{error}; change --fault") from None
    except ValueError as error:
        raise ConfigurationError(f"{error}; change {_source(str(error), shown)}") from None
    given = {"apiKey": shown.api_key, "webhookSecret": shown.webhook_secret}
    sandbox.hidden_settings = {name for name, is_shown in given.items() if not is_shown}
    activity = None if quiet else Activity(as_json=as_json, verbose=verbose)
    asyncio.run(_serve(sandbox, activity, None if as_json else shown))


def start_instead() -> None:
    """Name the command that starts a sandbox."""
    raise ConfigurationError("a sandbox is started by `kaspi-delivery sandbox serve`")


def _clock(speed: float, start: str | None) -> "Clock":
    from kaspi_delivery_async.sandbox import Clock
    from kaspi_delivery_async.sandbox.clock import DRIVEN_START

    # Receivers compare a webhook's timestamp with their own clocks, whatever this one shows.
    return Clock(speed=speed, start=_moment(start) if start else DRIVEN_START if speed == 0 else None, wall_stamps=True)


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--start: a time such as 2024-06-11T08:10:54Z, not {text!r}") from None
    if moment.tzinfo is None:
        raise ConfigurationError(f"--start: a time with its offset, such as 2024-06-11T08:10:54Z, not {text!r}")
    return moment.timestamp()


def _source(problem: str, shown: "Shown") -> str:
    """Name where the setting came from that the sandbox refused."""
    name = problem.partition(":")[0]
    if name == "api_key" and not shown.api_key:
        return "KASPI_API_KEY"
    if name == "webhook_secret" and not shown.webhook_secret:
        return SECRETS_FROM
    options = {"api_keys": "--api-key", "assumptions": "--assume"}
    return options.get(name, f"--{name.replace('_', '-')}")


async def _serve(sandbox: "Sandbox", activity: "Activity | None", shown: "Shown | None") -> None:
    import orjson

    from kaspi_delivery_async.cli.sandbox.welcome import facts, welcome

    with stop_signals() as stopped:
        try:
            await sandbox.start()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the sandbox cannot start ({error}); choose another --host, --port or --state-file"
            ) from None
        try:
            typer.echo(orjson.dumps(facts(sandbox)) if shown is None else welcome(sandbox, shown))
            if activity is not None:
                sandbox.requests.observer = activity.show_request
                sandbox.webhook_attempts.observer = activity.show_attempt
            await stopped.wait()
        finally:
            await sandbox.stop()
    if not await asyncio.to_thread(finish_output, limit=PATIENCE):
        raise InterruptedBySignalError(stopped.exit_code or 0)  # nobody reads the rest
