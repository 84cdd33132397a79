"""Results, orders and counts of a bulk run, as text for people and as values for programs."""

from collections.abc import Mapping
from types import MappingProxyType

from rich.text import Text

from kaspi_delivery_async.bulk import Erasure, JournalEntry, JournalTotals, OrderState, Result
from kaspi_delivery_async.cli.output import printable

_STYLES: Mapping[OrderState, str] = MappingProxyType({
    OrderState.CREATED: "green",
    OrderState.REJECTED: "red",
    OrderState.FAILED: "red",
    OrderState.SENT: "yellow",
    OrderState.IN_DOUBT: "yellow",
    OrderState.PENDING: "default",
})  # fmt: skip

_MEANINGS: Mapping[OrderState, str] = MappingProxyType({
    OrderState.CREATED: "delivery created",
    OrderState.REJECTED: "refused by the API",
    OrderState.FAILED: "not sent",
    OrderState.SENT: "no response yet; the next run resends it under the same key",
    OrderState.IN_DOUBT: "no response for more than 23 h; a webhook that names the order resolves it",
    OrderState.PENDING: "not sent yet",
})  # fmt: skip

ERASURES: Mapping[Erasure, str] = MappingProxyType({
    Erasure.ERASED: "erased; order id, key, state and delivery id remain, so that no second courier is ordered",
    Erasure.REMOVED: "removed; it had not been sent",
    Erasure.IN_FLIGHT: "not erased: a run is sending it just now; repeat the command when it has ended",
    Erasure.UNKNOWN: "not in this journal",
})  # fmt: skip

ERASED_IN_FILE = (
    "The file and its write-ahead log hold nothing more of them, once no other process has the file open; copies, "
    "results files and the input file are yours to erase."
)

ERASED_IN_POSTGRESQL = (
    "PostgreSQL keeps old rows until it vacuums (run VACUUM on kaspi_delivery_orders), and in its write-ahead log, "
    "replicas and backups for as long as these are kept; results files and the input file are yours to erase."
)


def states_text(counts: Mapping[OrderState, int]) -> Text:
    """Show how many orders are in which state."""
    lines = [
        Text.assemble((f"{counts[state]:>9} ", _STYLES[state]), f"{state.value:<9} ", (_MEANINGS[state], "dim"))
        for state in OrderState
        if counts[state]
    ]
    return Text("\n").join(lines) if lines else Text("no orders")


def totals_values(totals: JournalTotals) -> dict[str, object]:
    """Describe a journal for programs."""
    return {
        "environment": totals.environment,
        **{state.value: count for state, count in totals.orders.items()},
        "oldestUnansweredAt": totals.oldest_sent_at,
    }


def totals_text(totals: JournalTotals) -> Text:
    """Describe a journal for people."""
    heading = f"orders for {totals.environment}" if totals.environment else "nothing sent yet"
    return Text.assemble((printable(heading), "bold"), "\n", states_text(totals.orders))


def result_values(result: Result) -> dict[str, object]:
    """Describe a result for programs."""
    return {
        "place": result.place,
        "orderId": result.order_id,
        "state": result.state.value,
        "deliveryId": result.delivery_id,
        "trackingUrl": result.tracking_url,
        "replayed": result.replayed,
        "known": result.known,
        "error": result.error,
        "errorType": result.error_type,
    }


def entry_values(entry: JournalEntry) -> dict[str, object]:
    """Describe an order of a journal for programs, and as a row of the exported table."""
    return {
        "orderId": entry.order_id,
        "state": entry.state.value,
        "deliveryId": entry.delivery_id,
        "trackingUrl": entry.tracking_url,
        "idempotencyKey": entry.key,
        "place": entry.place,
        "sentAt": entry.sent_at,
        "updatedAt": entry.updated_at,
        "error": entry.error,
    }
