"""What the demo looks like on a terminal: the live table, and the summary that stays."""

from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kaspi_delivery_async.cli.demo.snapshot import Entry, Scene
from kaspi_delivery_async.cli.output import STATUS_STYLES, printable, status_text
from kaspi_delivery_async.models import DeliveryStatus
from kaspi_delivery_async.status import SEQUENCE

_FURNITURE = 8  # lines of the live table beside its rows
_FEWEST_ROWS = 3
_MINUTE = 60


def headline(scene: Scene) -> Text:
    """Say what is going on."""
    return Text.assemble(
        ("Kaspi Delivery demo", "bold"),
        f"  {len(scene.entries)} orders, sandbox at {scene.base_url}, time runs {scene.speed:g}x",
        no_wrap=True,
        overflow="ellipsis",
    )


def live_table(scene: Scene, *, height: int) -> RenderableType:
    """Draw how things stand on a terminal of ``height`` lines; what has ended makes room for the rest."""
    shown = visible(scene.entries, room=max(_FEWEST_ROWS, height - _FURNITURE))
    hidden = len(scene.entries) - len(shown)
    table = _table("Order", "For", "Way", "Status")
    for entry in shown:
        table.add_row(printable(entry.order_id), _recipient(entry), _way(entry), _standing(entry))
    more = Text(f"and {hidden} more" if hidden else "", style="dim")
    return Group(headline(scene), Text(), table, more, _progress(scene), _traffic_line(scene))


def visible(entries: tuple[Entry, ...], *, room: int) -> list[Entry]:
    """Choose at most ``room`` entries to show, in their order: those that have ended go first."""
    surplus = len(entries) - room
    shown: list[Entry] = []
    for entry in entries:
        if surplus > 0 and entry.ended:
            surplus -= 1
        else:
            shown.append(entry)
    return shown[:room]


def summary(scene: Scene, problems: list[str]) -> RenderableType:
    """Draw the result of every order, and the requests that it took."""
    table = _table("Order", "Status")
    for column in ("Accepted", "Pickup", "Out", "Door"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("Tracking", overflow="fold")
    for entry in scene.entries:
        times = [_hours(entry, status) for status in SEQUENCE[1:]]
        table.add_row(printable(entry.order_id), _standing(entry), *times, printable(entry.tracking_url or ""))
    note = Text("Times are hours and minutes after the order was made, on the sandbox's clock.\n", style="dim")
    return Group(table, note, _account(scene), Text(), _conclusion(scene, problems))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _recipient(entry: Entry) -> str:
    city = entry.order.dropoff.address.rpartition(", ")[2]
    return printable(f"{entry.order.dropoff.contact.name}, {city}")


def _way(entry: Entry) -> Text:
    reached = {change.status for change in entry.changes}
    style = STATUS_STYLES.get(entry.status or "", "default")
    return Text(" ").join(
        Text("━━━━", style=style) if status in reached else Text("────", style="bright_black") for status in SEQUENCE
    )


def _standing(entry: Entry) -> Text:
    if entry.problem is not None:
        return Text("failed", style="bold red")
    return status_text(entry.status) if entry.status else Text("ordering", style="dim")


def _progress(scene: Scene) -> RenderableType:
    ended = sum(entry.ended for entry in scene.entries)
    steps = sum(len(SEQUENCE) if entry.ended else len(entry.changes) for entry in scene.entries)
    line = Table.grid(padding=(0, 2))
    line.add_row(
        ProgressBar(total=len(scene.entries) * len(SEQUENCE), completed=steps, width=50),
        f"{ended} of {len(scene.entries)} ended",
        f"{scene.elapsed:.0f} s",
    )
    return line


def _traffic_line(scene: Scene) -> Text:
    traffic = scene.traffic
    return Text(
        f"{traffic.requests} requests, {traffic.faults} met an injected fault; "
        f"{traffic.webhooks_verified} webhooks verified, {traffic.webhooks_refused} refused",
        style="dim",
    )


def _account(scene: Scene) -> RenderableType:
    traffic, orders = scene.traffic, len(scene.entries)
    replays = sum(entry.replayed for entry in scene.entries)
    grid = Table.grid(padding=(0, 2))
    grid.add_row("Requests", f"{traffic.requests}, of which {traffic.faults} met an injected fault")
    grid.add_row("Creates", f"{traffic.creates} for {orders} orders; {replays} repeats found the delivery already made")
    grid.add_row("Couriers", f"{sum(scene.deliveries.values())} deliveries at the sandbox for {orders} orders")
    grid.add_row(
        "Webhooks",
        f"{traffic.webhooks_sent} sent, {traffic.webhooks_verified} verified ({traffic.webhooks_repeated} of them "
        f"known already), {traffic.webhooks_refused} refused",
    )
    return grid


def _conclusion(scene: Scene, problems: list[str]) -> Text:
    if problems:
        return Text("\n".join(["Not as expected:", *(f"  {printable(problem)}" for problem in problems)]), style="red")
    return Text(f"All ended as expected in {scene.elapsed:.0f} s; no order was created twice.", style="bold green")


def _hours(entry: Entry, status: DeliveryStatus) -> str:
    times = {change.status: change.timestamp for change in entry.changes}
    start, moment = times.get(DeliveryStatus.CREATED), times.get(status)
    return _duration(start, moment) if start and moment else ""


def _duration(start: datetime, end: datetime) -> str:
    minutes = round((end - start).total_seconds() / _MINUTE)
    return f"{minutes // _MINUTE}:{minutes % _MINUTE:02}"
