"""The delivery service without HTTP: creates deliveries, moves them along, and tells of it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries import lifecycle, seeded
from kaspi_delivery_async.sandbox.deliveries.journey import Journey, leg_seconds, promises
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord, Event, StatusEntry
from kaspi_delivery_async.sandbox.state.storage import SavedState, Storage


class UnknownDeliveryError(LookupError):
    """There is no delivery with this id."""


class DeliveryService:
    """All deliveries and what happens to them."""

    def __init__(
        self, *, seed: int, clock: Clock, journey: Journey | None, storage: Storage, publish: Callable[[Event], None]
    ) -> None:
        """Begin without any delivery; ``publish`` is told of every event."""
        self._seed = seed
        self._clock = clock
        self._journey = journey
        self._promises = promises(journey)
        self._storage = storage
        self._publish = publish
        self._deliveries: dict[str, DeliveryRecord] = {}
        self._test_events = 0
        self.deliveries: Mapping[str, DeliveryRecord] = MappingProxyType(self._deliveries)

    def restore(self, saved: SavedState) -> None:
        """Go on from what was kept."""
        self._test_events = saved.test_events
        for record in saved.deliveries:
            self._deliveries[record.delivery_id] = record
            self._move_along(record)

    def clear(self) -> None:
        """Forget everything."""
        self._deliveries.clear()
        self._test_events = 0

    def create(self, order_id: str, order: dict[str, object], *, idempotency_key: str | None) -> DeliveryRecord:
        """Take a checked order."""
        now = self._clock.now()
        pickup, delivery = self._promises
        record = DeliveryRecord(
            delivery_id=seeded.identifier(self._seed, "dlv_", len(self._deliveries)),
            external_order_id=order_id,
            history=(StatusEntry(status=lifecycle.SEQUENCE[0], at=now),),
            idempotency_key=idempotency_key,
            pickup_by=now + pickup,
            deliver_by=now + delivery,
            request_json=wire_format.dumps(order),
        )
        return self._enter(record)

    def get(self, delivery_id: str) -> DeliveryRecord:
        """Look a delivery up.

        Raises:
            UnknownDeliveryError: There is none with this id.

        """
        try:
            return self._deliveries[delivery_id]
        except KeyError:
            raise UnknownDeliveryError(f"there is no delivery {delivery_id!r}") from None

    def advance(self, delivery_id: str, target: str, *, notes: str | None = None) -> DeliveryRecord:
        """Move a delivery through every status on its way to the target.

        Raises:
            UnknownDeliveryError: There is none with this id.
            ImpossibleMoveError: Its present status does not lead there.

        """
        record = self.get(delivery_id)
        for status in lifecycle.moves(record.status, target):
            record = self._move(record, status, notes=notes)
        return record

    def send_test_event(self, url: str, event_type: str) -> Event:
        """Send an event of a made-up delivery. Source: RF."""
        status = event_type.removeprefix("delivery.")
        self._test_events += 1
        self._storage.save_test_events(self._test_events)
        event = Event(
            event_id=seeded.identifier(self._seed, "wh_test_", self._test_events),
            type=event_type,
            delivery_id=seeded.identifier(self._seed, "dlv_test_", self._test_events),
            external_order_id="test-order",
            status=status,
            timestamp=self._clock.now(),
            url=url,
        )
        self._publish(event)
        return event

    def commit(self) -> None:
        """Make what has happened durable."""
        self._storage.commit(self._clock.now())

    def _move(self, record: DeliveryRecord, status: str, *, notes: str | None = None) -> DeliveryRecord:
        entry = StatusEntry(status=status, at=self._clock.now(), notes=notes)
        return self._enter(attrs.evolve(record, history=(*record.history, entry)))

    def _enter(self, record: DeliveryRecord) -> DeliveryRecord:
        """Take over a delivery that has just reached a status."""
        self._deliveries[record.delivery_id] = record
        self._storage.save_delivery(record)
        status = record.status
        event = Event(
            event_id=f"wh_{record.delivery_id.removeprefix('dlv_')}_{status}",
            type=lifecycle.EVENT_TYPES[status],
            delivery_id=record.delivery_id,
            external_order_id=record.external_order_id,
            status=status,
            timestamp=record.history[-1].at,
        )
        self._publish(event)
        self._move_along(record)
        return record

    def _move_along(self, record: DeliveryRecord) -> None:
        """Plan the move that follows by itself, from when the present status was reached."""
        if self._journey is None:
            return
        seconds = leg_seconds(self._journey, seed=self._seed, delivery_id=record.delivery_id, status=record.status)
        if seconds is not None:
            self._clock.call_at(record.history[-1].at + seconds, lambda: self._move_if_still(record))

    def _move_if_still(self, record: DeliveryRecord) -> None:
        # Since it was planned, somebody may have moved or cancelled the delivery by hand.
        if self.get(record.delivery_id) is record:
            self._move(record, lifecycle.SEQUENCE[lifecycle.SEQUENCE.index(record.status) + 1])
            self.commit()
