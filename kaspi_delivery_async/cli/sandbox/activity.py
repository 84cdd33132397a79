"""A line for each request and webhook attempt of a sandbox that serves."""

from typing import TYPE_CHECKING

import orjson
import typer

from kaspi_delivery_async.cli.background_writer import CAPACITY
from kaspi_delivery_async.cli.output import printable
from kaspi_delivery_async.cli.streams import stdout

if TYPE_CHECKING:
    from kaspi_delivery_async.sandbox import RecordedRequest, WebhookAttempt

_LONGEST = 2000  # characters of a line


class Activity:
    """Prints what a sandbox does, as text or as JSON lines; drops lines while nobody reads them."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self._as_json = as_json
        self._verbose = verbose
        self._dropped = 0

    def show_request(self, seen: "RecordedRequest") -> None:
        """Print a request that has ended."""
        if not self._as_json:
            self._print(str(seen), seen.body)
            return
        self._print_values({
            "event": "request", "at": seen.at, "method": seen.method, "path": seen.path, "operation": seen.operation,
            "idempotencyKey": seen.idempotency_key, "status": seen.status, "replayed": seen.replayed,
            "fault": seen.fault,
        }, seen.body)  # fmt: skip

    def show_attempt(self, made: "WebhookAttempt") -> None:
        """Print a webhook attempt that has ended."""
        if not self._as_json:
            self._print(f"webhook {made}", made.body)
            return
        self._print_values({
            "event": "webhook-attempt", "at": made.at, "eventId": made.event_id, "type": made.type,
            "deliveryId": made.delivery_id, "attempt": made.attempt, "status": made.status, "error": made.error,
            "duration": made.duration, "fault": made.fault,
        }, made.body)  # fmt: skip

    def _print(self, line: str, body: bytes) -> None:
        shown = f"{line}\n  {body.decode(errors='replace')}" if self._verbose and body else line
        self._write("\n".join(printable(each)[:_LONGEST] for each in shown.splitlines()))

    def _print_values(self, values: dict[str, object], body: bytes) -> None:
        if self._verbose:
            values["body"] = body.decode(errors="replace")
        self._write(orjson.dumps(values).decode())

    def _write(self, line: str) -> None:
        if stdout().writer.pending > CAPACITY:
            self._dropped += 1
            return
        if self._dropped:
            note = {"event": "dropped", "lines": self._dropped}
            typer.echo(
                orjson.dumps(note) if self._as_json else f"({self._dropped} lines were dropped: nobody read them)"
            )
            self._dropped = 0
        typer.echo(line)
