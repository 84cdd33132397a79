"""Writes webhook events and dead letters: as a table that grows, or as JSON for programs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text

from kaspi_delivery_async.cli.output import emit, printable, status_text
from kaspi_delivery_async.models import DeliveryWebhook, to_dict
from kaspi_delivery_async.webhooks import DeadLetter


def emit_event(event: DeliveryWebhook, *, as_json: bool) -> None:
    """Write one event: a row whose columns line up with those of the events before."""
    row = Text.assemble(
        (_time(event.data.timestamp), "dim"),
        f"  {printable(event.event_id):<20}  {printable(event.data.delivery_id):<24}  ",
        status_text(event.data.status),
        (f"  attempt {event.attempt}" if event.attempt and event.attempt > 1 else "", "yellow"),
    )
    emit(to_dict(event), row, as_json=as_json)


def emit_dead_letters(letters: Sequence[DeadLetter], *, as_json: bool) -> None:
    """Write dead letters, a line each."""
    for letter in letters:
        event = letter.event
        values = {
            "number": letter.number,
            "receivedAt": _time(datetime.fromtimestamp(letter.received_at, tz=UTC)),
            "attempts": letter.attempts,
            "duplicates": letter.duplicates,
            "error": letter.error,
            "event": to_dict(event) if event else None,
        }
        shown = f"{event.event_id}  {event.data.delivery_id}  {event.data.status}" if event else "cannot be read"
        row = Text.assemble(
            (f"{letter.number:>6}", "bold"),
            (f"  {values['receivedAt']}  ", "dim"),
            f"{printable(shown)}  {letter.attempts} attempts  ",
            (printable(letter.error), "red"),
        )
        emit(values, row, as_json=as_json)
    if not letters and not as_json:
        emit({}, Text("No dead letters."), as_json=False)


def emit_replayed(count: int, *, as_json: bool) -> None:
    """Write the number of dead letters to replay."""
    emit({"replayed": count}, Text(f"{count} dead letters will be replayed."), as_json=as_json)


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else " " * 20
