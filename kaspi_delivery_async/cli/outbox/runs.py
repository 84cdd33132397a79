"""Runs of the outbox commands: what is opened for each, and how a relay is stopped by Ctrl-C and SIGTERM."""

import asyncio
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.outbox.text import (
    entry_text,
    entry_values,
    report_text,
    report_values,
    status_text,
    status_values,
)
from kaspi_delivery_async.cli.signals import stop_signals
from kaspi_delivery_async.errors import ConfigurationError, StorageError
from kaspi_delivery_async.outbox import DeliveryOutbox, OutboxState

if TYPE_CHECKING:
    from kaspi_delivery_async.client import DeliveryClient

DAY = 86400.0

LOOK = 2.0
"""Seconds between looks at the counts that are shown."""


def existing(location: str, schema: str | None) -> DeliveryOutbox:
    """Return an outbox that is there: a mistyped path must not look like an empty one."""
    return DeliveryOutbox(location, schema, create_tables=False)


def callback_at(name: str | None) -> Any:
    """Return the function that ``module:function`` names; modules are looked for in the working directory first."""
    if name is None:
        return None
    module, _, function = name.partition(":")
    directory = str(Path.cwd())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{name} is no function: {error}; name one as MODULE:FUNCTION") from error
    if not callable(found):
        raise ConfigurationError(f"{name} is no function: it is a {type(found).__name__}; name one as MODULE:FUNCTION")
    return found


async def show_status(outbox: DeliveryOutbox, *, as_json: bool) -> None:
    """Show counts and pauses."""
    async with outbox:
        found = await outbox.status()
    output.emit(status_values(found), status_text(found), as_json=as_json)


async def list_entries(outbox: DeliveryOutbox, states: Iterable[str], *, as_json: bool) -> None:
    """List entries."""
    try:
        chosen = [OutboxState(state) for state in states] or [*OutboxState]
    except ValueError as error:
        raise ConfigurationError(f"{error}: a state is one of {', '.join(OutboxState)}") from None
    async with outbox:
        async for entry in outbox.entries(chosen):
            output.emit(entry_values(entry), entry_text(entry), as_json=as_json)


async def withdraw(outbox: DeliveryOutbox, order_ids: Sequence[str], *, as_json: bool) -> ExitCode:
    """Withdraw orders."""
    code = ExitCode.DONE
    async with outbox:
        for order_id in order_ids:
            async with outbox.transaction() as session:
                is_withdrawn = await outbox.withdraw(session, order_id)
            if not is_withdrawn:
                code = ExitCode.FAILED
            said = (
                "withdrawn" if is_withdrawn else "not withdrawn: it has left, or is not there; see `get` and `cancel`"
            )
            values = {"event": "withdrawal", "orderId": order_id, "withdrawn": is_withdrawn}
            output.emit(values, Text(f"{output.printable(order_id)}: {said}"), as_json=as_json)
    return code


async def relay(
    outbox: DeliveryOutbox, client: "DeliveryClient", *, callbacks: tuple[Any, Any], concurrency: int, as_json: bool
) -> None:
    """Run a relay until a signal, and show the counts whenever they change."""
    with stop_signals(is_gentle=False) as stop:
        async with client, outbox, outbox.relay(client, *callbacks, concurrency=concurrency):
            stop.is_gentle = True
            shown: object = None
            while not stop.is_set():
                try:
                    found = await outbox.status()
                except StorageError:
                    found = None  # the relay says it, and goes on when it is over
                if found is not None and (found.counts, found.pauses) != shown:
                    shown = found.counts, found.pauses
                    output.emit(status_values(found), status_text(found), as_json=as_json)
                try:
                    async with asyncio.timeout(LOOK):
                        await stop.wait()
                except TimeoutError:
                    pass


async def reconcile(outbox: DeliveryOutbox, client: "DeliveryClient", *, as_json: bool) -> ExitCode:
    """Reconcile, and show the report."""
    async with client, outbox:
        report = await outbox.reconcile(client)
    output.emit(report_values(report), report_text(report), as_json=as_json)
    return ExitCode.FAILED if report.open else ExitCode.DONE


async def prune(outbox: DeliveryOutbox, *, days: float, as_json: bool) -> None:
    """Erase what is not needed any more."""
    async with outbox:
        count = await outbox.prune(days * DAY)  # a timedelta holds no more than 3 million years
    output.emit({"event": "pruned", "orders": count}, Text(f"erased the bodies of {count} orders"), as_json=as_json)
