"""`bulk report`: one page of HTML about a journal: what was made, refused and left open, and how long it took."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import attrs

from kaspi_delivery_async.bulk import JournalEntry, OrderState
from kaspi_delivery_async.cli.bulk.runs import existing
from kaspi_delivery_async.cli.language import translated as _

_MOST_NAMED = 500
"""Orders without a delivery that the page lists; the rest are counted."""
_MOST_BARS = 60
_WIDTH, _HEIGHT = 720, 120
_COLOURS: Mapping[OrderState, str] = MappingProxyType({
    OrderState.CREATED: "#2e7d32",
    OrderState.REJECTED: "#c62828",
    OrderState.FAILED: "#c62828",
    OrderState.SENT: "#f9a825",
    OrderState.IN_DOUBT: "#f9a825",
    OrderState.PENDING: "#757575",
})  # fmt: skip


@attrs.define
class _Counts:
    states: Counter[OrderState] = attrs.field(factory=Counter[OrderState])
    minutes: Counter[int] = attrs.field(factory=Counter[int])
    """Deliveries that were made, by the minute."""
    first: float | None = None
    last: float = 0.0
    open_orders: list[JournalEntry] = attrs.field(factory=list[JournalEntry])

    def take(self, entry: JournalEntry) -> None:
        self.states[entry.state] += 1
        began = entry.sent_at if entry.sent_at is not None else entry.updated_at
        self.first = began if self.first is None else min(self.first, began)
        self.last = max(self.last, entry.updated_at)
        if entry.state is OrderState.CREATED:
            self.minutes[int(entry.updated_at // 60)] += 1
        elif len(self.open_orders) < _MOST_NAMED:
            self.open_orders.append(entry)


async def report_page(journal: str) -> str:
    """Return the page of a journal."""
    counts = _Counts()
    async with existing(journal) as opened:
        environment = (await opened.totals()).environment
        async for entry in opened.entries():
            counts.take(entry)
    return "\n".join(_page(counts, environment or ""))


def _page(counts: _Counts, environment: str) -> Iterator[str]:
    title = _("Deliveries")
    yield '<!doctype html><meta charset="utf-8">'
    yield f"<title>{title}</title><style>body{{font:16px sans-serif;margin:2em}}td{{padding:.2em 1em .2em 0}}</style>"
    yield f"<h1>{title}</h1><p>{html.escape(environment)}</p>"
    if counts.first is None:
        yield f"<p>{_('no orders')}</p>"
        return
    began = datetime.fromtimestamp(counts.first, UTC).strftime("%Y-%m-%d %H:%M:%S")
    seconds = f"{counts.last - counts.first:.0f}"
    yield f"<p>{_('begun {began} UTC, took {seconds} s').format(began=began, seconds=seconds)}</p><table>"
    for state in OrderState:
        if counts.states[state]:
            dot = f'<span style="color:{_COLOURS[state]}">●</span>'
            yield f"<tr><td>{dot} {_(state.value)}<td>{counts.states[state]}"
    yield "</table>"
    if counts.minutes:
        yield f"<h2>{_('Deliveries made over time')}</h2>"
        yield from _chart(counts.minutes)
    if counts.open_orders:
        yield f"<h2>{_('Orders without a delivery')}</h2><table>"
        for entry in counts.open_orders:
            cells = (entry.order_id, entry.place, _(entry.state.value), entry.error or "")
            yield "<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in cells)
        yield "</table>"
        more = counts.states.total() - counts.states[OrderState.CREATED] - len(counts.open_orders)
        if more:
            yield f"<p>{_('and {more} more').format(more=more)}</p>"


def _chart(minutes: Mapping[int, int]) -> Iterator[str]:
    """Draw the deliveries of each minute, or of several minutes if the run was long."""
    first, last = min(minutes), max(minutes)
    step = (last - first) // _MOST_BARS + 1
    bars: Counter[int] = Counter()
    for minute, count in minutes.items():
        bars[(minute - first) // step] += count
    highest, width = max(bars.values()), _WIDTH / ((last - first) // step + 1)
    yield f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">'
    for number, count in sorted(bars.items()):
        height = _HEIGHT * count / highest
        moment = datetime.fromtimestamp((first + number * step) * 60, UTC).strftime("%H:%M")
        yield (
            f'<rect x="{number * width:.1f}" y="{_HEIGHT - height:.1f}" width="{max(width - 1, 1):.1f}" '
            f'height="{height:.1f}" fill="#2e7d32"><title>{moment} UTC: {count}</title></rect>'
        )
    yield "</svg>"
