"""Goes through the checklist: finds out what can be found out, asks for the rest, and reports."""

import asyncio
import datetime
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
import typer
from rich.text import Text

from kaspi_delivery_async.cli.check import findings
from kaspi_delivery_async.cli.check.full import code_base, report, trials
from kaspi_delivery_async.cli.check.full.confirmations import (
    ask,
    open_questions,
    read_confirmations,
    write_confirmations,
)
from kaspi_delivery_async.cli.check.full.items import ITEMS, Evidence, ItemResult, ItemStatus, bad, judge, unknown
from kaspi_delivery_async.cli.check.full.orders import about_orders
from kaspi_delivery_async.cli.check.probe import probe, probe_without_key
from kaspi_delivery_async.cli.environment import SECRETS_FROM, webhook_secrets
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.output import emit
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import ConfigurationError, NotFoundError


@attrs.frozen(kw_only=True)
class Given:
    """What the command was given."""

    code: Path
    receiver: str | None
    owned: bool
    orders: Path | None
    confirmations: Path
    markdown: Path | None
    as_json: bool


async def go_through(settings: Mapping[str, str], given: Given) -> ExitCode:
    """Go through all items, show them and return the exit code."""
    today = datetime.datetime.now().astimezone().date()
    known = read_confirmations(given.confirmations)
    if open_questions(known) and sys.stdin.isatty() and not given.as_json:
        known = await asyncio.to_thread(lambda: ask(known, read_line=_read_line, today=today))
        write_confirmations(given.confirmations, known)
    evidence = await _evidence(settings, given)
    results = [judge(item, evidence.get(item.number, ()), known.get(item.number)) for item in ITEMS]
    for result in results:
        emit(report.values(result), report.row(result), as_json=given.as_json)
    if not given.as_json:
        emit({}, Text(f"\n{report.conclusion(results)}"), as_json=False)
    if given.markdown is not None:
        _write(given.markdown, results, settings, today)
    return ExitCode.DONE if all(result.status is ItemStatus.OK for result in results) else ExitCode.FAILED


async def _evidence(settings: Mapping[str, str], given: Given) -> dict[int, list[Evidence]]:
    secrets = webhook_secrets(settings) if settings.get(SECRETS_FROM) else []
    rehearsed = await trials.rehearse()
    orders = await about_orders(given.orders)
    files = await code_base.tracked_files(given.code)
    clean, stable = _about_code(files, given.code, [settings.get("KASPI_API_KEY", ""), *secrets])
    return {
        1: [await _about_key(settings), clean],
        2: [clean],
        3: rehearsed[3],
        4: [*rehearsed[4], stable],
        5: await trials.about_hosts(),
        6: await trials.about_receiver(given.receiver, secrets, owned=given.owned),
        8: orders[8],
        9: orders[9],
        10: orders[10],
        11: [*rehearsed[11], *orders.get(11, ())],
        14: await trials.about_store(settings.get("KASPI_WEBHOOK_STORE")),
    }


def _about_code(files: list[Path] | None, root: Path, secrets: list[str]) -> tuple[Evidence, Evidence]:
    if files is None:
        neither = unknown(f"{root} is in no git repository; --code names the folder of your code")
        return neither, neither
    return code_base.about_secrets(files, root, secrets), code_base.about_keys(files, root)


async def _about_key(settings: Mapping[str, str]) -> Evidence:
    """Ask the API whether it accepts the key, by a request for a delivery that cannot exist."""
    try:
        client = DeliveryClient.from_env(settings)
    except ConfigurationError as error:
        return bad(str(error))
    async with client:
        result = await probe(client)
        unkeyed = await probe_without_key(client) if isinstance(result.error, NotFoundError) else None
    found = findings.about_key(result, base_url=client.base_url, unkeyed=unkeyed)
    good = {findings.CheckStatus.OK: True, findings.CheckStatus.SKIPPED: None}.get(found.status, False)
    return Evidence(good, f"{client.base_url}: {found.detail}")


def _read_line(prompt: str) -> str:
    typer.echo(prompt, err=True, nl=False)
    return sys.stdin.readline()


def _write(path: Path, results: list[ItemResult], settings: Mapping[str, str], today: datetime.date) -> None:
    base_url = settings.get("KASPI_BASE_URL") or settings.get("KASPI_ENVIRONMENT") or "sandbox"
    try:
        path.write_text(report.markdown(results, base_url=base_url, today=today), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--markdown: {path} cannot be written: {error.strerror}") from None
