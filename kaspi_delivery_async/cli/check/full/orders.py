"""A file of orders, as a dry run sees it: nothing is sent."""

from collections.abc import AsyncIterator
from pathlib import Path

from kaspi_delivery_async.bulk.dry_run import check_orders
from kaspi_delivery_async.cli.check.full.items import Evidence, bad, good, unknown
from kaspi_delivery_async.models import DeliveryRequest
from kaspi_delivery_async.order_files import read_orders
from kaspi_delivery_async.order_files.lines import Line


async def about_orders(path: Path | None) -> dict[int, list[Evidence]]:
    """Say of each item about payloads what the orders of a file show, with the place of the first problem."""
    if path is None:
        return {number: [unknown("--orders names no file to look at")] for number in (8, 9, 10)}
    latest: list[Line] = []

    async def watched() -> AsyncIterator[Line]:
        async for line in read_orders(path):
            latest[:] = [line]
            yield line

    found: dict[int, str] = {}
    count = notes = 0
    async for problem in check_orders(watched()):
        count += 1
        order = latest[0].order
        if problem is not None or not isinstance(order, DeliveryRequest):
            # Its places name the file, which may be called parcels.csv.
            for number in _items_of(str(problem).replace(path.name, "")):
                found.setdefault(number, str(problem))
            continue
        notes += bool(order.pickup.notes or order.dropoff.notes)
        if not order.parcel.value_kzt:
            found.setdefault(10, f"{latest[0].place}: parcel.valueKzt is 0, so that nothing is insured")
    if not count:
        return {number: [bad("the file of --orders has no order")] for number in (8, 9, 10)}
    fine = f"none of {count} orders of the file shows otherwise"
    evidence = {number: [Evidence(number not in found, found.get(number, fine))] for number in (8, 9, 10)}
    return evidence | {11: [good(f"{notes} of {count} orders of the file have notes")]}


def _items_of(problem: str) -> list[int]:
    """Return the items that the text of a problem concerns, by the fields that it names."""
    concerned = [number for number, field in ((9, ".contact"), (10, "parcel")) if field in problem]
    return concerned or [8]
