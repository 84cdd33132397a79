"""Keeps the demo's entries up to date while many tasks report to it."""

from collections.abc import Iterable

import attrs

from kaspi_delivery_async import Response
from kaspi_delivery_async.cli.demo.snapshot import Entry
from kaspi_delivery_async.models import DeliveryCreated, DeliveryRequest, DeliveryStatus
from kaspi_delivery_async.tracking import StatusChange


class Board:
    """The entries under their order ids, and the news in order of arrival."""

    def __init__(self, orders: Iterable[DeliveryRequest]) -> None:
        """Begin with orders of which nothing is known."""
        self.entries: dict[str, Entry] = {order.external_order_id: Entry(order=order) for order in orders}
        self.news: list[tuple[str, StatusChange]] = []
        self._cancelling = False

    def created(self, order_id: str, response: Response[DeliveryCreated]) -> None:
        """Take note of a delivery that was created."""
        self.entries[order_id] = attrs.evolve(
            self.entries[order_id],
            delivery_id=response.value.delivery_id,
            tracking_url=response.value.tracking_url,
            attempts=len(response.attempts),
            replayed=response.replayed,
        )

    def changed(self, order_id: str, change: StatusChange) -> None:
        """Take note of a status that was reached."""
        entry = self.entries[order_id]
        self.entries[order_id] = attrs.evolve(entry, changes=(*entry.changes, change))
        self.news.append((order_id, change))

    def failed(self, order_id: str, problem: str) -> None:
        """Take note of an error that ended an entry early."""
        self.entries[order_id] = attrs.evolve(self.entries[order_id], problem=problem)

    def take_for_cancelling(self, order_id: str) -> bool:
        """Whether this is the one delivery to cancel: the first that asks."""
        if self._cancelling:
            return False
        self._cancelling = True
        self.entries[order_id] = attrs.evolve(self.entries[order_id], expected=DeliveryStatus.CANCELLED)
        return True
