"""The command that tells whether this set-up can work, before an order depends on it."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING

import typer

from kaspi_delivery_async.cli.environment import SECRET_VARIABLE, client_settings, webhook_secrets
from kaspi_delivery_async.cli.options import AsJson, BaseUrl, EnvironmentName
from kaspi_delivery_async.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from kaspi_delivery_async.cli.check.findings import Finding
    from kaspi_delivery_async.cli.exit_codes import ExitCode

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


def check(*, base_url: BaseUrl = None, environment: EnvironmentName = None, as_json: AsJson = False) -> None:
    """Tell whether this set-up can work; nothing is ordered.

    Looks at the settings, the connection and its TLS certificate, the API key, this machine's clock, and the webhook
    secret if KASPI_WEBHOOK_SECRET is set. To do so it asks the API for a delivery that cannot exist, and if that works,
    once more with a made-up key. The exit code is 0 if nothing has failed.
    """
    settings = client_settings(os.environ, base_url=base_url, environment=environment)
    raise typer.Exit(asyncio.run(_report(settings, as_json=as_json)))


async def _report(settings: Mapping[str, str], *, as_json: bool) -> "ExitCode":
    from rich.text import Text

    from kaspi_delivery_async.cli.check.findings import verdict
    from kaspi_delivery_async.cli.output import emit, printable

    findings: list[Finding] = []
    async for finding in _examine(settings):
        findings.append(finding)
        values = {"check": finding.check, "result": finding.result, "detail": finding.detail}
        row = Text.assemble(
            (f"{finding.result:<9}", _STYLES[finding.result]), f"{finding.check:<12}", printable(finding.detail)
        )
        emit(values, row, as_json=as_json)
    return verdict(findings)


async def _examine(settings: Mapping[str, str]) -> "AsyncGenerator[Finding]":
    """Check one thing after the other, each as far as those before it allow."""
    from kaspi_delivery_async.cli.check import findings
    from kaspi_delivery_async.cli.check.probe import ask, ask_without_key
    from kaspi_delivery_async.client import DeliveryClient

    try:
        client = DeliveryClient.from_env(settings)
    except ConfigurationError as error:
        yield findings.refused("settings", error)
        for following in ("connection", "key", "clock"):
            yield findings.skipped(following, "the settings come first")
    else:
        base_url = client.base_url
        yield findings.about_settings(base_url)
        async with client:
            reply = await ask(client)
            yield findings.about_connection(reply, base_url=base_url)
            unkeyed = await ask_without_key(client) if isinstance(reply.error, NotFoundError) else None
        yield findings.about_key(reply, base_url=base_url, unkeyed=unkeyed)
        yield findings.about_clock(reply)

    if not settings.get(SECRET_VARIABLE):
        yield findings.skipped("webhooks", f"{SECRET_VARIABLE} is not set")
        return
    try:
        yield findings.about_webhooks(webhook_secrets(settings), now=time.time())
    except ConfigurationError as error:
        yield findings.refused("webhooks", error)
