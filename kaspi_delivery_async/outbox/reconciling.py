"""Reconciliation: what is in doubt or silent is asked of the API, or named for a person to look up."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async._tracking.follower import LAST_INTERVAL
from kaspi_delivery_async._tracking.order import changes_in
from kaspi_delivery_async._wire.idempotency_keys import RESEND_WINDOW
from kaspi_delivery_async.errors import NotFoundError
from kaspi_delivery_async.outbox.decisions import polled
from kaspi_delivery_async.outbox.entries import OpenEntry, OutboxEntry, OutboxState, ReconcileReport
from kaspi_delivery_async.outbox.relay.changes import Changes
from kaspi_delivery_async.outbox.storage import queries
from kaspi_delivery_async.outbox.storage import relay_statements as statements
from kaspi_delivery_async.outbox.storage.environment import choose_environment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from kaspi_delivery_async._exactly_once.lease import SharedClock
    from kaspi_delivery_async.client import DeliveryClient
    from kaspi_delivery_async.models import Delivery
    from kaspi_delivery_async.outbox.decisions import Row
    from kaspi_delivery_async.outbox.storage.database import OutboxDatabase

SILENT = 3600.0
"""Seconds without a response, or without any news of a delivery, after which an entry is asked about."""

PAGE = 100

_LOOK_UP_ORDER = (
    "whether a courier was ordered: look for the order id in the Kaspi Delivery cabinet, from the time of the first "
    "send on. The API has no look-up by order id. If there is one, its next webhook confirms the order; if there is "
    "none, order under another order id"
)


@attrs.define
class _Tally:
    asked: int = 0
    confirmed: int = 0
    changed: int = 0
    open: list[OpenEntry] = attrs.field(factory=list[OpenEntry])


async def reconcile(database: OutboxDatabase, clock: SharedClock, client: DeliveryClient) -> ReconcileReport:
    """Ask the API about every entry that is in doubt or silent, and report what only a person can clear up."""
    environment = urlsplit(client.base_url).netloc
    await database.write(partial(choose_environment, environment=environment))
    changes = Changes(database, clock)
    tally, after = _Tally(), 0
    while True:
        now, page = await database.read(partial(_page, clock=clock, after=after))
        for number, entry in page:
            await _ask(client, changes, tally, number=number, entry=entry, now=now)
        if len(page) < PAGE:
            break
        after = page[-1][0]
    status = await database.read(lambda connection: queries.status(connection, now=clock.common(connection)))
    return ReconcileReport(
        asked=tally.asked,
        confirmed=tally.confirmed,
        changed=tally.changed,
        open=tuple(sorted(tally.open, key=lambda item: -item.age)),
        status=status,
    )


def _page(connection: Connection, *, clock: SharedClock, after: int) -> tuple[float, list[tuple[int, OutboxEntry]]]:
    now = clock.common(connection)
    rows = connection.execute(statements.silent(since=now - SILENT, limit=PAGE, after=after)).mappings()
    return now, [(row["number"], OutboxEntry.of(row)) for row in rows]


async def _ask(
    client: DeliveryClient, changes: Changes, tally: _Tally, *, number: int, entry: OutboxEntry, now: float
) -> None:
    since = entry.first_sent_at or entry.enqueued_at
    age = max(0.0, now - since.timestamp())
    if entry.delivery_id is None:
        again_until = since + timedelta(seconds=RESEND_WINDOW)
        look_up = (
            _LOOK_UP_ORDER
            if entry.state is OutboxState.IN_DOUBT
            else f"nothing yet: a relay sends it again under the same key until {again_until:%Y-%m-%d %H:%M} UTC"
        )
        tally.open.append(OpenEntry(entry=entry, age=age, look_up=look_up))
        return
    tally.asked += 1
    try:
        delivery = await client.get_delivery(entry.delivery_id, include_history=True)
    except NotFoundError:
        look_up = (
            f"why the API does not know the delivery {entry.delivery_id}: look for it in the Kaspi Delivery cabinet"
        )
        tally.open.append(OpenEntry(entry=entry, age=age, look_up=look_up))
        return
    found: list[tuple[Row, Row]] = []
    await changes.add(number, partial(_found, found=found, delivery=delivery))
    before, after = found[-1]  # a transaction may be tried again
    tally.confirmed += after.state is not before.state
    tally.changed += after.status != before.status


def _found(row: Row, now: float, *, found: list[tuple[Row, Row]], delivery: Delivery) -> Row:
    statuses = [change.status for change in changes_in(delivery)]
    after = polled(row, now, statuses=statuses, interval=LAST_INTERVAL)
    found.append((row, after))
    return after
