"""Shows a bulk run: progress while it goes on, a file of results, and a summary at the end."""

import csv
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

import attrs
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from kaspi_delivery_async._database import parse_location
from kaspi_delivery_async.bulk import JournalEntry, OrderState, Result, Totals
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.output import printable
from kaspi_delivery_async.errors import ConfigurationError

_STYLES: Mapping[OrderState, str] = MappingProxyType({
    OrderState.CREATED: "green",
    OrderState.REJECTED: "red",
    OrderState.FAILED: "red",
    OrderState.SENT: "yellow",
    OrderState.IN_DOUBT: "yellow",
    OrderState.PENDING: "default",
})  # fmt: skip

_MEANINGS: Mapping[OrderState, str] = MappingProxyType({
    OrderState.CREATED: "delivery made",
    OrderState.REJECTED: "refused by the API",
    OrderState.FAILED: "not sent",
    OrderState.SENT: "unanswered; the next run asks again under the same key",
    OrderState.IN_DOUBT: "unanswered for more than 23 h; a webhook settles it",
    OrderState.PENDING: "still to be sent",
})  # fmt: skip


@attrs.define
class Tally:
    """Counts the results of a run."""

    states: Counter[OrderState] = attrs.field(factory=Counter[OrderState])
    replayed: int = 0
    known: int = 0
    errors: Counter[str] = attrs.field(factory=Counter[str])
    examples: dict[str, str] = attrs.field(factory=dict[str, str])
    """For each kind of error, the first one of it."""

    def add(self, result: Result) -> None:
        """Count a result."""
        self.states[result.state] += 1
        self.replayed += result.replayed
        self.known += result.known
        if result.error_type is not None:
            self.errors[result.error_type] += 1
            example = str(result.error)
            named = example.startswith(result.place)  # as the errors of lines that were refused are
            self.examples.setdefault(result.error_type, example if named else f"{result.place}: {example}")

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        if self.states[OrderState.SENT] or self.states[OrderState.IN_DOUBT]:
            return ExitCode.OUTCOME_UNKNOWN
        unmade = self.states.total() - self.states[OrderState.CREATED]
        return ExitCode.FAILED if unmade else ExitCode.DONE

    def values(self) -> dict[str, object]:
        """Describe the run for programs."""
        return {
            "event": "summary",
            **{state.value: self.states[state] for state in OrderState},
            "replayed": self.replayed,
            "known": self.known,
            "errors": dict(self.errors.most_common()),
        }

    def text(self) -> Text:
        """Describe the run for people."""
        sheet = states_text(self.states)
        if not self.states:
            return sheet
        sheet.append(f"\nof these, {self.known} were known before, and {self.replayed} answered from the API's memory")
        for kind, count in self.errors.most_common():
            sheet.append(f"\n{count} x {kind}, such as ", style="default").append(printable(self.examples[kind]))
        return sheet


def states_text(counts: Mapping[OrderState, int]) -> Text:
    """Show how many orders are in which state."""
    lines = [
        Text.assemble((f"{counts[state]:>9} ", _STYLES[state]), f"{state.value:<9} ", (_MEANINGS[state], "dim"))
        for state in OrderState
        if counts[state]
    ]
    return Text("\n").join(lines) if lines else Text("no orders")


def totals_values(totals: Totals) -> dict[str, object]:
    """Describe a journal for programs."""
    return {
        "environment": totals.environment,
        **{state.value: count for state, count in totals.orders.items()},
        "oldestUnansweredAt": totals.oldest_sent_at,
    }


def totals_text(totals: Totals) -> Text:
    """Describe a journal for people."""
    heading = f"orders for {totals.environment}" if totals.environment else "nothing was sent yet"
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
    """Describe a journal's order for programs, and as a row of the exported table."""
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


class Table:
    """Writes rows as CSV below a header that the first of them gives, or as lines of JSON."""

    def __init__(self, file: TextIO, *, name: object, as_json: bool = False) -> None:
        """Write to ``file``, which messages call ``name``."""
        self._file = file
        self._name = name
        self._as_json = as_json
        self._writer: csv.DictWriter[str] | None = None

    def add(self, row: Mapping[str, object]) -> None:
        """Write a row; raises `ConfigurationError` if the file takes no more."""
        with _writing(self._name):
            self._add(row)

    def _add(self, row: Mapping[str, object]) -> None:
        if self._as_json:
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
            return
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row), lineterminator="\n")
            self._writer.writeheader()
        self._writer.writerow(row)


@contextmanager
def opened(path: Path, *, spared: Iterable[str | Path]) -> Generator[TextIO]:
    """Open a file to write to; raises `ConfigurationError` if that fails, or if it is one of those to be ``spared``."""
    if path.resolve() in {place.resolve() for place in map(parse_location, spared) if isinstance(place, Path)}:
        raise ConfigurationError(f"{path} is read by this command and would be overwritten; name another file")
    with _writing(path):
        file = path.open("w", newline="", encoding="utf-8")
    try:
        yield file
    finally:
        with _writing(path):
            file.close()


@contextmanager
def _writing(name: object) -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads has seen enough
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be written: {error.strerror}; name another file") from None


class Progression:
    """A bar on stderr with rate, counts and time left; nothing where stderr is no terminal."""

    def __init__(self, *, total: int | None) -> None:
        """Expect ``total`` bytes of input; None if nobody knows."""
        console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn(), console=console
        )
        self._shown = console.is_terminal
        self._task = self._progress.add_task("", total=total)

    def shown(self) -> AbstractContextManager[object]:
        """Show it for as long as the context lasts."""
        return self._progress if self._shown else nullcontext()

    def update(self, tally: Tally, *, position: int | None) -> None:
        """Show how far the run is."""
        if not self._shown:
            return
        elapsed = self._progress.tasks[0].elapsed or 0.0
        rate = tally.states.total() / elapsed if elapsed else 0.0
        counts = {
            "created": tally.states[OrderState.CREATED],
            "replayed": tally.replayed,
            "rejected": tally.states[OrderState.REJECTED],
            "in doubt": tally.states[OrderState.IN_DOUBT] + tally.states[OrderState.SENT],
        }
        shown = "  ".join([f"{rate:.0f}/s", *(f"{name} {count}" for name, count in counts.items())])
        self._progress.update(self._task, completed=position, description=shown)
