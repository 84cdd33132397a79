"""The command that checks a set-up before an order depends on it."""

import os
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kaspi_delivery_async.cli.environment import SECRETS_FROM, client_settings, webhook_secrets
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, EnvironmentName
from kaspi_delivery_async.cli.signals import run_until_signalled
from kaspi_delivery_async.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from kaspi_delivery_async.cli.check.findings import Finding
    from kaspi_delivery_async.cli.exit_codes import ExitCode

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


def check(
    *,
    base_url: BaseUrl = None,
    environment: EnvironmentName = None,
    full: Annotated[
        bool, typer.Option("--full", help="Go through the fourteen items of the vendor's go-live checklist.")
    ] = False,
    code: Annotated[Path, typer.Option(metavar="FOLDER", help="With --full: your code, in a git repository.")] = Path(),
    receiver: Annotated[
        str | None, typer.Option(metavar="URL", help="With --full: your webhook receiver, which takes the exam.")
    ] = None,
    i_own_this_url: Annotated[
        bool, typer.Option("--i-own-this-url", help="With --full: examine a receiver that is not on this machine.")
    ] = False,
    orders: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --full: a file of orders; nothing of it is sent.")
    ] = None,
    confirmations: Annotated[
        Path, typer.Option(metavar="FILE", help="With --full: keeps what people confirm, with name and date.")
    ] = Path("go-live.json"),
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --full: write the checklist there as a page, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that this setup works. No delivery is created.

    Checks the settings, the connection and its TLS certificate, the API key, this machine's clock, and the webhook
    secret if KASPI_WEBHOOK_SECRET is set. It requests a delivery that cannot exist, and if that works, once more with
    a made-up key. The exit code is 0 if no check failed.

    With --full it goes through the go-live checklist: what can be found out is, and at a terminal it asks for the rest.
    Then the exit code is 0 if every item is met.
    """
    settings = client_settings(os.environ, base_url=base_url, environment=environment)
    if full:
        from kaspi_delivery_async.cli.check.full.run import Given, go_through

        given = Given(
            code=code, receiver=receiver, owned=i_own_this_url, orders=orders, confirmations=confirmations,
            markdown=markdown, as_json=as_json,
        )  # fmt: skip
        raise typer.Exit(run_until_signalled(go_through(settings, given)))
    if receiver is not None or orders is not None or markdown is not None or i_own_this_url:
        raise ConfigurationError("--receiver, --i-own-this-url, --orders and --markdown go with --full")
    raise typer.Exit(run_until_signalled(_report(settings, as_json=as_json)))


async def _report(settings: Mapping[str, str], *, as_json: bool) -> "ExitCode":
    from rich.text import Text

    from kaspi_delivery_async.cli.check.findings import exit_code_of
    from kaspi_delivery_async.cli.output import emit, printable
    from kaspi_delivery_async.cli.streams import room

    findings: list[Finding] = []
    async for finding in _examine(settings):
        findings.append(finding)
        values = {"check": finding.check, "result": finding.status, "detail": finding.detail}
        row = Text.assemble(
            (f"{finding.status:<9}", _STYLES[finding.status]), f"{finding.check:<12}", printable(finding.detail)
        )
        emit(values, row, as_json=as_json)
        await room()
    return exit_code_of(findings)


async def _examine(settings: Mapping[str, str]) -> "AsyncGenerator[Finding]":
    """Make one check after the other, each as far as those before it allow."""
    from kaspi_delivery_async.cli.check import findings
    from kaspi_delivery_async.cli.check.probe import probe, probe_without_key
    from kaspi_delivery_async.client import DeliveryClient

    try:
        client = DeliveryClient.from_env(settings)
    except ConfigurationError as error:
        yield findings.refused("settings", error)
        for following in ("connection", "key", "clock"):
            yield findings.skipped(following, "the settings are invalid")
    else:
        base_url = client.base_url
        yield findings.about_settings(base_url)
        async with client:
            result = await probe(client)
            yield findings.about_connection(result, base_url=base_url)
            unkeyed = await probe_without_key(client) if isinstance(result.error, NotFoundError) else None
        yield findings.about_key(result, base_url=base_url, unkeyed=unkeyed)
        yield findings.about_clock(result)

    if not settings.get(SECRETS_FROM):
        yield findings.skipped("webhooks", f"{SECRETS_FROM} is not set")
        return
    try:
        yield findings.about_webhooks(webhook_secrets(settings), now=time.time())
    except ConfigurationError as error:
        yield findings.refused("webhooks", error)
