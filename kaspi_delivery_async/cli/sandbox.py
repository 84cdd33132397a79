"""The command that serves a sandbox to other programs."""

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from kaspi_delivery_async.cli.options import FASTEST, AsJson
from kaspi_delivery_async.cli.signals import stop_signals
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from kaspi_delivery_async.sandbox import Sandbox

app: typer.Typer = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

EXAMPLE_ORDER = """{
    "externalOrderId": "order-742",
    "pickup": {
      "address": "42 Dostyk Ave, Almaty",
      "contact": { "name": "Kaspi Pickup Hub", "phone": "+7 727 000 0000" }
    },
    "dropoff": {
      "address": "89 Satpayev St, Almaty",
      "contact": { "name": "Aigerim K.", "phone": "+7 701 000 0000" },
      "notes": "Call when outside"
    },
    "parcel": { "description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000 }
  }"""
"""The order of the vendor's Getting started page (Source: GS)."""


@app.callback()
def _about() -> None:
    """Run a local Delivery API for development and tests."""


@app.command()
def serve(
    *,
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="PORT", min=0, max=65535, help="Where to listen on 127.0.0.1; 0 takes any free one."
        ),
    ] = 8420,
    speed: Annotated[
        float,
        typer.Option(
            metavar="FACTOR",
            min=0,
            max=FASTEST,
            help="Seconds that pass in it per second; at 0 time moves only through the control API.",
        ),
    ] = 1.0,
    manual: Annotated[bool, typer.Option("--manual", help="Deliveries move only through the control API.")] = False,
    api_key: Annotated[str, typer.Option(metavar="KEY", help="The key that is good.")] = "sandbox-key",
    webhook_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where events are sent; on this machine only.")
    ] = None,
    webhook_secret: Annotated[str, typer.Option(metavar="SECRET", help="Signs the events.")] = "sandbox-secret",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="FAULT", help="What goes wrong, such as create:commit-then-drop:0.05; may be repeated."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Ids, durations and chances follow from it.")] = 0,
    state_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An SQLite file that keeps the state over restarts.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve a sandbox on this machine until Ctrl-C or SIGTERM."""
    from kaspi_delivery_async.sandbox import Clock, Journey, Sandbox

    try:
        sandbox = Sandbox(
            api_key=api_key,
            webhook_secret=webhook_secret,
            webhook_url=webhook_url,
            clock=Clock.driven() if speed == 0 else Clock.sped_up(speed),
            journey=None if manual else Journey(),
            faults=fault or (),
            seed=seed,
            port=port,
            state_file=state_file,
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    asyncio.run(_serve(sandbox, as_json=as_json))


async def _serve(sandbox: "Sandbox", *, as_json: bool) -> None:
    with stop_signals() as stopped:
        try:
            await sandbox.start()
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the sandbox cannot start ({error}); choose another --port or --state-file"
            ) from None
        try:
            typer.echo(orjson.dumps(_facts(sandbox)) if as_json else _welcome(sandbox))
            await stopped.wait()
        finally:
            await sandbox.stop()


def _facts(sandbox: "Sandbox") -> dict[str, object]:
    return {
        "baseUrl": sandbox.base_url,
        "controlUrl": f"{sandbox.root_url}/_sandbox/",
        "apiKey": sandbox.api_key,
        "webhookSecret": sandbox.webhook_secret,
        "webhookUrl": sandbox.webhook_url,
        "speed": sandbox.clock.speed,
    }


def _welcome(sandbox: "Sandbox") -> str:
    return f"""\
A local Delivery API, made for tests; Ctrl-C ends it.

  base URL        {sandbox.base_url}
  control API     {sandbox.root_url}/_sandbox/
  API key         {sandbox.api_key}
  webhook secret  {sandbox.webhook_secret}
  webhooks go to  {sandbox.webhook_url or "nowhere; --webhook-url names a receiver"}
  time            {sandbox.clock.speed:g} s pass per second

Point the other commands at it:

export KASPI_BASE_URL={sandbox.base_url} KASPI_API_KEY={shlex.quote(sandbox.api_key)}

Create a delivery by hand:

curl -X POST {sandbox.base_url}/v1/deliveries \\
  -H {shlex.quote(f"x-api-key: {sandbox.api_key}")} \\
  -H "Idempotency-Key: order-742" \\
  -H "Content-Type: application/json" \\
  -d '{EXAMPLE_ORDER}'
"""
