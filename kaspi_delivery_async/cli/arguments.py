"""Options that several commands share, and the client they lead to."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that `--help` stays fast

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kaspi_delivery_async.client import DeliveryClient

FASTEST = 1e6
"""Seconds of a sandbox per second: at more, an afternoon would end beyond the calendar."""

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON for programs instead of text.")]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="The API to call, before KASPI_BASE_URL; http only to this machine.")
]
EnvironmentName = Annotated[
    str | None, typer.Option(metavar="NAME", help="`sandbox` or `production`, before KASPI_ENVIRONMENT.")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Makes repeats harmless for 23 hours; by default it follows from the order."),
]
DeliveryId = Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, such as dlv_01hfz18tnb7tqw.")]


def client_settings(environ: Mapping[str, str], *, base_url: str | None, environment: str | None) -> dict[str, str]:
    """Return ``environ`` with the options in force: they win, and a named environment also over KASPI_BASE_URL."""
    settings = dict(environ)
    if environment is not None:
        settings["KASPI_ENVIRONMENT"] = environment
        settings.pop("KASPI_BASE_URL", None)
    if base_url is not None:
        settings["KASPI_BASE_URL"] = base_url
    return settings


def connect(*, base_url: str | None, environment: str | None) -> "DeliveryClient":
    """Set up the client of a command; raises `ConfigurationError` if a setting is missing or wrong."""
    from kaspi_delivery_async.client import DeliveryClient

    return DeliveryClient.from_env(client_settings(os.environ, base_url=base_url, environment=environment))
