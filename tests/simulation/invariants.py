"""What must hold in every world, asked of the vendor's side: never of the package's own bookkeeping alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async.status import rank
from tests.simulation.records import EPOCH
from tests.simulation.schedule import BUSY_TIME
from tests.support.orders import PERSONAL

if TYPE_CHECKING:
    from tests.simulation.world import World

KEY_LIFE = 23 * 3600.0
CLOCK_ERROR = 1300.0
"""Seconds by which the shop's clock may be wrong about an age: it is set twice by ten minutes at most, and drifts."""

LONGEST_HANDLING = 90.0
"""Seconds within which an event is handled at last when its handler does not fail any more."""

PROMPTLY = 3.0
"""Seconds within which something happens that need not wait."""

RECOVERY = 20.0
"""Seconds after which nothing waits any more because of what went wrong before: longer than a pause between polls."""

LAST_WORDS = 1.0
"""Seconds that a call may take beyond its time, to clean up."""


def check(world: World) -> None:
    """Ask every invariant at the end of a world."""
    for ask in (
        one_courier_an_order, reports_agree, results_agree, keys_are_young, keys_mean_one_request,
        events_are_handled, nothing_sleeps_too_long, deliveries_never_move_back, calls_end, nothing_is_left,
        nothing_secret_is_said,
    ):  # fmt: skip
        ask(world)


def one_courier_an_order(world: World) -> None:
    """At most one courier comes for an order, whatever happened."""
    couriers = Counter(record.external_order_id for record in world.vendor.deliveries.values())
    for order_id, count in couriers.items():
        if count > 1:
            world.violate("one courier an order", f"{order_id} has {count}")


def reports_agree(world: World) -> None:
    """Every order that the shop was told of is created, refused or reported open, as the vendor has it."""
    made = {record.external_order_id: record for record in world.vendor.deliveries.values()}
    for note in world.plan.notes:
        record = made.get(note.order_id)
        if note.delivery_id is not None and (record is None or note.delivery_id not in world.vendor.deliveries):
            world.violate("reports agree with the vendor", f"{note.order_id} is said to be {note.delivery_id}")
        if note.is_refused and record is not None:
            world.violate("reports agree with the vendor", f"{note.order_id} is said to be refused")
        if note.cancelled is not None and record is not None:
            is_cancelled = world.vendor.deliveries[note.delivery_id or ""].status == "cancelled"
            if note.cancelled != is_cancelled:
                world.violate("reports agree with the vendor", f"{note.order_id} is cancelled: {is_cancelled}")


def results_agree(world: World) -> None:
    """Every order of the bulk job has a result, and it is as the vendor has it."""
    made = {record.external_order_id: record for record in world.vendor.deliveries.values()}
    final = {result.order_id: result for result in world.results if result.order_id}
    for order_id in set(world.plan.bulk):
        result, record = final.get(order_id), made.get(order_id)
        if result is None:
            world.violate("every order is reported", order_id)
        elif result.state is OrderState.CREATED or result.delivery_id is not None:
            if record is None or result.delivery_id != record.delivery_id:
                world.violate("reports agree with the vendor", f"{order_id} is said to be {result.delivery_id}")
        elif result.state is OrderState.REJECTED and record is not None:
            world.violate("reports agree with the vendor", f"{order_id} is said to be refused")


def keys_are_young(world: World) -> None:
    """No request comes under a key older than 23 hours."""
    first: dict[str, float] = {}
    for request in world.vendor.requests:
        key = request.idempotency_key
        if key is not None and request.at - first.setdefault(key, request.at) > KEY_LIFE + CLOCK_ERROR:
            hours = (request.at - first[key]) / 3600
            world.violate("no old key", f"{key} is {hours:.2f} h old")


def keys_mean_one_request(world: World) -> None:
    """The same key always comes with the same bytes, and an order always with the same key."""
    bodies: dict[str, tuple[str, bytes]] = {}
    keys: dict[str, str] = {}
    for request in world.vendor.requests:
        key = request.idempotency_key
        if key is None:
            continue
        if bodies.setdefault(key, (request.path, request.body)) != (request.path, request.body):
            world.violate("the same key, the same bytes", key)
        subject = next((name for name in _orders(world) if f'"{name}"'.encode() in request.body), request.path)
        if keys.setdefault(subject, key) != key:
            world.violate("the same order, the same key", f"{subject}: {keys[subject]}, {key}")


def _orders(world: World) -> list[str]:
    return [*(note.order_id for note in world.plan.notes), *world.plan.bulk]


def events_are_handled(world: World) -> None:
    """An event that was acknowledged is handled, in the end."""
    for attempt in world.vendor.webhook_attempts:
        known = world.handled.get(attempt.event_id)
        is_kept = world.plan.keeps_events or attempt.at >= world.service_began
        if (
            attempt.succeeded
            and is_kept
            and attempt.at < world.vendor_end - LONGEST_HANDLING
            and (known is None or known.succeeded == 0)
        ):
            world.violate("an acknowledged event is handled", attempt.event_id)


def deliveries_never_move_back(world: World) -> None:
    """What waits and watches report goes forward, and the vendor has it in its history."""
    for delivery_id, statuses in world.sightings:
        ranks = [rank(status) for status in statuses]
        if ranks != sorted(set(ranks)):
            world.violate("no delivery moves back", f"{delivery_id}: {[str(status) for status in statuses]}")
        reached = {entry.status for entry in world.vendor.deliveries[delivery_id].history}
        for status in statuses:
            if str(status) not in reached:
                world.violate("no status is made up", f"{delivery_id}: {status}")


def calls_end(world: World) -> None:
    """Every call ends within its deadline, every wait within its time."""
    for call in world.timed:
        if call.seconds > call.limit + LAST_WORDS:
            problem = f"{call.what} of {call.subject} took {call.seconds:.2f} s of {call.limit:.0f}"
            world.violate("every call ends in time", problem)


def nothing_sleeps_too_long(world: World) -> None:
    """While nothing goes wrong, an event is handled at once, and wakes the wait for its delivery."""
    first_fault = min((fault.at for fault in world.faults), default=BUSY_TIME)
    waits = {call.subject: call for call in world.timed if call.what == "wait with a hub"}
    for attempt in world.vendor.webhook_attempts:
        is_good = attempt.at >= world.calm_since + RECOVERY or attempt.at < EPOCH + first_fault - 2 * PROMPTLY
        if not (attempt.succeeded and is_good):
            continue
        acknowledged = attempt.at + attempt.duration
        known, wait = world.handled.get(attempt.event_id), waits.get(attempt.delivery_id)
        if known is not None and known.first_at is not None and known.first_at > acknowledged + PROMPTLY:
            world.violate("an event is handled at once", attempt.event_id)
        if wait is not None and attempt.type == "delivery.delivered":
            was_waiting = wait.ended_at - wait.seconds < acknowledged - PROMPTLY
            if was_waiting and wait.ended_at > acknowledged + PROMPTLY:
                world.violate("an event wakes the wait for it", attempt.event_id)


def nothing_is_left(world: World) -> None:
    """Connections and files are closed, in the end."""
    if world.network.connections:
        left = [one for one in world.network.connections if one.client.process is not None]
        if left:
            world.violate("connections return to base", f"{len(left)} left")


def nothing_secret_is_said(world: World) -> None:
    """No error, result or log shows a key, a secret or anything personal."""
    secrets = (world.secret, "sk-first", *PERSONAL)
    for text in world.texts:
        for secret in secrets:
            if secret in text:
                world.violate("nothing secret is said", text[:200])
