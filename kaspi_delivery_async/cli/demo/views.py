"""Ways to look on: a live table on a terminal, lines of text elsewhere, JSON lines for programs."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import attrs
import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from kaspi_delivery_async.cli.demo.snapshot import Entry, Scene
from kaspi_delivery_async.cli.demo.tables import headline, live_table, summary
from kaspi_delivery_async.cli.output import change_text, change_values, console
from kaspi_delivery_async.tracking import StatusChange

_PLAIN_WIDTH = 140  # columns where no terminal sets them: enough for every line


class View(Protocol):
    """Something that shows the demo."""

    def announce(self, page: str, *, problem: str | None) -> None:
        """Say where the sandbox's page is, or why there is none."""
        ...

    def screen(self) -> AbstractContextManager[object]:
        """Return what must be open while `show` is called."""
        ...

    def show(self, scene: Scene) -> None:
        """Show how things stand."""
        ...

    def conclude(self, scene: Scene, problems: list[str]) -> None:
        """Sum up, when the screen is closed."""
        ...


def choose_view(*, as_json: bool) -> View:
    """Choose the view that suits where the output goes."""
    if as_json:
        return JsonView()
    terminal = console()
    return LiveView(terminal) if terminal.is_terminal else PlainView(console(width=_PLAIN_WIDTH))


class LiveView:
    """A table that changes in place, and gives way to the summary."""

    def __init__(self, terminal: Console) -> None:
        """Show on a terminal."""
        self._console = terminal
        self._live = Live(console=terminal, auto_refresh=False, transient=True)

    def announce(self, page: str, *, problem: str | None) -> None:
        """Print it."""
        self._console.print(problem or f"In a browser: {page}", soft_wrap=True, highlight=False, markup=False)

    def screen(self) -> AbstractContextManager[object]:
        """Return the live display, which hides the cursor meanwhile."""
        return self._live

    def show(self, scene: Scene) -> None:
        """Draw the table again."""
        self._live.update(live_table(scene, height=self._console.height), refresh=True)

    def conclude(self, scene: Scene, problems: list[str]) -> None:
        """Print the summary."""
        self._console.print(summary(scene, problems))


class PlainView:
    """A line for each change, then the summary."""

    def __init__(self, plain: Console) -> None:
        """Write to a file or a pipe."""
        self._console = plain
        self._printed: int | None = None

    def announce(self, page: str, *, problem: str | None) -> None:
        """Print it."""
        self._console.print(problem or f"In a browser: {page}", soft_wrap=True, highlight=False, markup=False)

    def screen(self) -> AbstractContextManager[object]:
        """Return nothing to be opened."""
        return nullcontext()

    def show(self, scene: Scene) -> None:
        """Print what is new."""
        if self._printed is None:
            self._console.print(headline(scene))
            self._printed = 0
        for order_id, change in scene.news[self._printed :]:
            self._console.print(Text.assemble(f"{order_id:<14}  ", change_text(change)))
        self._printed = len(scene.news)

    def conclude(self, scene: Scene, problems: list[str]) -> None:
        """Print the summary."""
        self._console.print(summary(scene, problems))


class JsonView:
    """An object for each change, then one for the whole."""

    def __init__(self) -> None:
        """Write to stdout."""
        self._printed = 0
        self._page: str | None = None

    def announce(self, page: str, *, problem: str | None) -> None:
        """Have it in the last object."""
        self._page = page if problem is None else None

    def screen(self) -> AbstractContextManager[object]:
        """Return nothing to be opened."""
        return nullcontext()

    def show(self, scene: Scene) -> None:
        """Write what is new."""
        for order_id, change in scene.news[self._printed :]:
            typer.echo(orjson.dumps({"type": "change", "externalOrderId": order_id, **change_values(change)}))
        self._printed = len(scene.news)

    def conclude(self, scene: Scene, problems: list[str]) -> None:
        """Write the summary."""
        typer.echo(
            orjson.dumps(
                {
                    "type": "summary",
                    "ok": not problems,
                    "page": self._page,
                    "problems": problems,
                    "seconds": round(scene.elapsed, 3),
                    "traffic": attrs.asdict(scene.traffic),
                    "deliveries": [_entry_values(entry) for entry in scene.entries],
                }
            )
        )


def _entry_values(entry: Entry) -> dict[str, object]:
    return {
        "externalOrderId": entry.order_id,
        "deliveryId": entry.delivery_id,
        "status": entry.status and entry.status.value,
        "expected": entry.expected.value,
        "trackingUrl": entry.tracking_url,
        "attempts": entry.attempts,
        "replayed": entry.replayed,
        "timeline": _timeline(entry.changes),
    }


def _timeline(changes: Iterable[StatusChange]) -> list[dict[str, object]]:
    return [
        {name: value for name, value in change_values(change).items() if name != "deliveryId"} for change in changes
    ]
