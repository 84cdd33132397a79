"""Entries, counts and reports of an outbox, as text for people and as values for programs."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from rich.text import Text

from kaspi_delivery_async.cli.output import printable, utc_text
from kaspi_delivery_async.outbox import OutboxEntry, OutboxState, OutboxStatus, ReconcileReport

_STYLES: Mapping[OutboxState, str] = MappingProxyType({
    OutboxState.PENDING: "default",
    OutboxState.SENT: "yellow",
    OutboxState.CREATED: "green",
    OutboxState.REJECTED: "red",
    OutboxState.IN_DOUBT: "yellow",
    OutboxState.WITHDRAWN: "dim",
})  # fmt: skip

_MEANINGS: Mapping[OutboxState, str] = MappingProxyType({
    OutboxState.PENDING: "not sent yet",
    OutboxState.SENT: "no response yet; a relay sends it again under the same key",
    OutboxState.CREATED: "delivery created",
    OutboxState.REJECTED: "refused by the API",
    OutboxState.IN_DOUBT: "no response for 23 h; a webhook that names the order confirms it, or look it up",
    OutboxState.WITHDRAWN: "withdrawn before it left",
})  # fmt: skip


def entry_values(entry: OutboxEntry) -> dict[str, object]:
    """Describe an entry for programs."""
    return {
        "orderId": entry.order_id,
        "state": entry.state.value,
        "idempotencyKey": entry.idempotency_key,
        "deliveryId": entry.delivery_id,
        "trackingUrl": entry.tracking_url,
        "status": entry.status,
        "attempts": entry.attempts,
        "error": entry.error,
        "enqueuedAt": utc_text(entry.enqueued_at),
        "firstSentAt": _time(entry.first_sent_at),
        "updatedAt": utc_text(entry.updated_at),
        "notBefore": _time(entry.not_before),
    }


def entry_text(entry: OutboxEntry) -> Text:
    """Describe an entry for people."""
    parts: list[str | tuple[str, str]] = [
        (utc_text(entry.enqueued_at), "dim"),
        f"  {printable(entry.order_id)}  ",
        (entry.state.value, _STYLES[entry.state]),
    ]
    parts += [f"  {printable(part)}" for part in (entry.delivery_id, entry.status) if part is not None]
    if entry.error is not None:
        parts.append((f"  {printable(entry.error)}", "red"))
    return Text.assemble(*parts)


def status_values(status: OutboxStatus) -> dict[str, object]:
    """Describe an outbox for programs."""
    return {
        "event": "status",
        "environment": status.environment,
        "orders": {state.value: count for state, count in status.counts.items()},
        "oldestAge": {state.value: age for state, age in status.oldest_age.items()},
        "relays": status.relays,
        "pauses": [
            {
                "relay": pause.relay,
                "reason": pause.reason,
                "since": utc_text(pause.since),
                "until": utc_text(pause.until),
            }
            for pause in status.pauses
        ],
    }


def status_text(status: OutboxStatus) -> Text:
    """Describe an outbox for people."""
    lines = [
        Text.assemble(
            (f"{status.counts[state]:>9} ", _STYLES[state]),
            f"{state.value:<9} ",
            (f"{_MEANINGS[state]}; the oldest is {_age(age)} old", "dim"),
        )
        for state, age in status.oldest_age.items()
        if age is not None
    ]
    lines = lines or [Text("no orders")]
    lines.append(Text(f"{status.relays} relays run, for {status.environment or 'no environment yet'}"))
    lines += [
        Text.assemble((f"paused: {printable(pause.relay)} until {utc_text(pause.until)}", "red"), f": {pause.reason}")
        for pause in status.pauses
    ]
    return Text("\n").join(lines)


def report_values(report: ReconcileReport) -> dict[str, object]:
    """Describe a reconciliation for programs."""
    return {
        "event": "reconciliation",
        "asked": report.asked,
        "confirmed": report.confirmed,
        "changed": report.changed,
        "open": [{**entry_values(item.entry), "age": item.age, "lookUp": item.look_up} for item in report.open],
        "status": status_values(report.status),
    }


def report_text(report: ReconcileReport) -> Text:
    """Describe a reconciliation for people."""
    lines = [
        Text(
            f"{report.asked} deliveries asked about: {report.changed} have a new status, {report.confirmed} are out of "
            "doubt"
        )
    ]
    for item in report.open:
        lines.append(Text.assemble(entry_text(item.entry), f"  {_age(item.age)} old"))
        lines.append(Text(f"  look up {item.look_up}", style="yellow"))
    return Text("\n").join([*lines, status_text(report.status)])


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
