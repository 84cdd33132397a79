"""The delivery service without HTTP: creates deliveries, moves them along, and publishes their events."""

from collections import OrderedDict
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from types import MappingProxyType

import attrs

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries import lifecycle, seeded
from kaspi_delivery_async.sandbox.deliveries.journey import Journey, leg_seconds, promises
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord, Event, StatusEntry
from kaspi_delivery_async.sandbox.state.storage import SavedState, Storage, StorageError

_TEST_EVENTS_KEPT = 1000

_EXAMPLE: Mapping[str, object] = MappingProxyType({
    "pickup": {
        "address": "42 Dostyk Ave, Almaty", "contact": {"name": "Kaspi Pickup Hub", "phone": "+7 727 000 0000"},
    },
    "dropoff": {
        "address": "89 Satpayev St, Almaty", "contact": {"name": "Aigerim K.", "phone": "+7 701 000 0000"},
        "notes": "Call when outside",
    },
    "parcel": {"description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000},
})  # fmt: skip


class UnknownDeliveryError(LookupError):
    """There is no delivery with this id."""


class UnknownEventError(LookupError):
    """There is no event with this id."""


class Deliveries(Mapping[str, DeliveryRecord]):
    """Every delivery under its id, in order of creation; iterating sees a copy, so threads may do so at any time."""

    def __init__(self, records: dict[str, DeliveryRecord]) -> None:
        self._records = records
        self.changes: int = 0
        """How often one was created, moved or forgotten."""

    def __getitem__(self, delivery_id: str) -> DeliveryRecord:
        return self._records[delivery_id]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._records))

    def __len__(self) -> int:
        return len(self._records)

    def items(self) -> ItemsView[str, DeliveryRecord]:
        """Return ids and deliveries, as of now."""
        return self._records.copy().items()

    def values(self) -> ValuesView[DeliveryRecord]:
        """Return the deliveries, as of now."""
        return self._records.copy().values()

    def __repr__(self) -> str:
        """Show ids and statuses: it is what a failing assertion prints."""
        shown = [f"{delivery_id} {record.status}" for delivery_id, record in tuple(self._records.items())[-20:]]
        return f"<{len(self)} in all: [{', '.join(shown)}]>"


class DeliveryService:
    """All deliveries and what happens to them."""

    def __init__(
        self, *, seed: int, clock: Clock, journey: Journey | None, storage: Storage, publish: Callable[[Event], None]
    ) -> None:
        """Begin without any delivery; ``publish`` is called with every event."""
        self._seed = seed
        self._clock = clock
        self._journey = journey
        self._promises = promises(journey)
        self._storage = storage
        self._publish = publish
        self._records: dict[str, DeliveryRecord] = {}
        self._orders: set[str] = set()
        self._created = 0
        self._test_count = 0
        self._test_events: OrderedDict[str, Event] = OrderedDict()
        self.deliveries: Deliveries = Deliveries(self._records)

    def restore(self, saved: SavedState) -> None:
        """Go on from what was kept."""
        self._created = saved.created
        self._test_count = saved.test_events
        for record in saved.deliveries:
            self._records[record.delivery_id] = record
            self._orders.add(record.external_order_id)
            self._move_along(record)

    def clear(self) -> None:
        """Forget everything but which ids were given: none is given twice."""
        self._records.clear()
        self._orders.clear()
        self._test_events.clear()
        self.deliveries.changes += 1

    def create(self, order_id: str, order: dict[str, object], *, idempotency_key: str | None) -> DeliveryRecord:
        """Take a checked order."""
        now = self._clock.now()
        pickup, delivery = self._promises
        record = DeliveryRecord(
            delivery_id=seeded.identifier(self._seed, "dlv_", self._created),
            external_order_id=order_id,
            history=(StatusEntry(status=lifecycle.SEQUENCE[0], at=now),),
            idempotency_key=idempotency_key,
            pickup_by=now + pickup,
            deliver_by=now + delivery,
            request_json=wire_format.dumps(order),
        )
        self._created += 1
        self._storage.save_count("created", self._created)
        self._orders.add(order_id)
        return self._enter(record)

    def create_example(self) -> DeliveryRecord:
        """Take the order of the vendor's first page, under an id of its own. Source: GS."""
        order_id = f"example-{self._created + 1}"
        record = self.create(order_id, {"externalOrderId": order_id, **_EXAMPLE}, idempotency_key=None)
        self.commit()
        return record

    def has_order(self, order_id: str) -> bool:
        """Whether there is a delivery of this order."""
        return order_id in self._orders

    def get(self, delivery_id: str) -> DeliveryRecord:
        """Look a delivery up.

        Raises:
            UnknownDeliveryError: There is none with this id.

        """
        try:
            return self._records[delivery_id]
        except KeyError:
            raise UnknownDeliveryError(f"there is no delivery {delivery_id!r}") from None

    def advance(self, delivery_id: str, target: str, *, notes: str | None = None) -> DeliveryRecord:
        """Move a delivery through every status on its way to the target, which gets the notes.

        Raises:
            UnknownDeliveryError: There is none with this id.
            ImpossibleMoveError: Its present status does not lead there.

        """
        record = self.get(delivery_id)
        statuses = lifecycle.moves(record.status, target)
        # No journey passes through several statuses at one moment, and the API writes whole seconds.
        pause = 1.0 if len(statuses) > 1 else 0.0
        at = max(self._clock.now() - pause * (len(statuses) - 1), record.history[-1].at + pause)
        for number, status in enumerate(statuses):
            record = self._move(record, status, at=at + pause * number, notes=notes if status == target else None)
        return record

    def send_test_event(self, url: str, event_type: str) -> Event:
        """Send an event of a made-up delivery. Source: RF."""
        self._test_count += 1
        self._storage.save_count("test_events", self._test_count)
        event = Event(
            event_id=seeded.identifier(self._seed, "wh_test_", self._test_count),
            type=event_type,
            delivery_id=seeded.identifier(self._seed, "dlv_test_", self._test_count),
            external_order_id="test-order",
            status=event_type.removeprefix("delivery."),
            timestamp=self._clock.now(),
            url=url,
        )
        self._test_events[event.event_id] = event
        if len(self._test_events) > _TEST_EVENTS_KEPT:
            self._test_events.popitem(last=False)
        self._publish(event)
        return event

    def event(self, event_id: str) -> Event:
        """Look an event up, whether it is still to be sent or not.

        Raises:
            UnknownEventError: There is none with this id.

        """
        if event_id in self._test_events:
            return self._test_events[event_id]
        number, _, status = event_id.removeprefix("wh_").partition("_")
        record = self._records.get(f"dlv_{number}")
        for entry in record.history if record else ():
            if record and entry.status == status:
                return _event(record, entry)
        raise UnknownEventError(f"there is no event {event_id!r}")

    def commit(self) -> None:
        """Make what has happened durable.

        Raises:
            StorageError: It cannot be written.

        """
        self._storage.commit(self._clock.now())

    def commit_if_possible(self) -> None:
        """Make what has happened durable, or leave it to the next commit: nobody waits for this one."""
        try:
            self.commit()
        except StorageError:
            return

    def _move(self, record: DeliveryRecord, status: str, *, at: float, notes: str | None = None) -> DeliveryRecord:
        entry = StatusEntry(status=status, at=max(at, record.history[-1].at), notes=notes)
        return self._enter(attrs.evolve(record, history=(*record.history, entry)))

    def _enter(self, record: DeliveryRecord) -> DeliveryRecord:
        """Take over a delivery that has just reached a status."""
        self._records[record.delivery_id] = record
        self.deliveries.changes += 1
        self._storage.save_delivery(record)
        self._publish(_event(record, record.history[-1]))
        self._move_along(record)
        return record

    def _move_along(self, record: DeliveryRecord) -> None:
        """Plan the move that follows by itself, from when the present status was reached."""
        if self._journey is None:
            return
        seconds = leg_seconds(self._journey, seed=self._seed, delivery_id=record.delivery_id, status=record.status)
        if seconds is not None:
            since = min(record.history[-1].at, self._clock.now())  # moves by hand may be some seconds ahead
            self._clock.call_at(since + seconds, lambda: self._move_if_still(record))

    def _move_if_still(self, record: DeliveryRecord) -> None:
        # Since it was planned, somebody may have moved or cancelled the delivery by hand.
        if self._records.get(record.delivery_id) is record:
            following = lifecycle.SEQUENCE[lifecycle.SEQUENCE.index(record.status) + 1]
            self._move(record, following, at=self._clock.now())
            self.commit_if_possible()


def _event(record: DeliveryRecord, entry: StatusEntry) -> Event:
    return Event(
        event_id=f"wh_{record.delivery_id.removeprefix('dlv_')}_{entry.status}",
        type=lifecycle.EVENT_TYPES[entry.status],
        delivery_id=record.delivery_id,
        external_order_id=record.external_order_id,
        status=entry.status,
        timestamp=entry.at,
    )
