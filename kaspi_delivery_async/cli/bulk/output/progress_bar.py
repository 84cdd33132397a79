"""Progress bar of a bulk run."""

from contextlib import AbstractContextManager, nullcontext

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kaspi_delivery_async.bulk import OrderState
from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.bulk.output.tally import Tally


class ProgressBar:
    """A bar on stderr with rate, counts and time left; hidden unless stderr is a terminal."""

    def __init__(self, *, total: int | None) -> None:
        """Expect ``total`` bytes of input; None shows no end."""
        console = output.console(stderr=True)
        self._progress = Progress(
            BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn(), console=console
        )
        self._shown = console.is_terminal
        self.workers: int | None = None
        """Workers of a run on several; None for one in this process."""
        self._task = self._progress.add_task("", total=total)

    def shown(self) -> AbstractContextManager[object]:
        """Show the bar for as long as the context lasts."""
        return self._progress if self._shown else nullcontext()

    def update(self, tally: Tally, *, position: int | None) -> None:
        """Update rate, counts and time left."""
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
        workers = [] if self.workers is None else [f"workers {self.workers}"]
        shown = "  ".join([f"{rate:.0f}/s", *workers, *(f"{name} {count}" for name, count in counts.items())])
        self._progress.update(self._task, completed=position, description=shown)
