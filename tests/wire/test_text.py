"""Strings of any class are taken as their text."""

from enum import Enum, IntEnum

import pytest

from kaspi_delivery_async import DeliveryStatus, operations
from kaspi_delivery_async._wire.text import plain, storable
from kaspi_delivery_async.models import to_json
from tests.support.orders import changed, order


class Ids(str, Enum):  # noqa: UP042 - its `str()` is its name, which is what is tested
    FIVE = "order-5"
    URL = "https://shop.kz/hook"
    EVENT = "delivery.created"


class Grams(IntEnum):
    SHOES = 800


def test_a_member_of_an_enumeration_is_its_text() -> None:
    assert type(plain(Ids.FIVE)) is str
    assert plain(Ids.FIVE) == "order-5"


def test_an_order_of_members_is_sent_as_their_text() -> None:
    plainly = operations.create_delivery(order("order-5"))
    member = order(Ids.FIVE)
    assert (
        operations.create_delivery(changed(member, parcel=changed(member.parcel, weight_grams=Grams.SHOES))) == plainly
    )
    assert operations.create_delivery(member).idempotency_key == "order-5"
    address = changed(order(), pickup=changed(order().pickup, address=Ids.FIVE))
    assert b'"address":"order-5"' in to_json(address)


@pytest.mark.parametrize("make", [operations.get_delivery, operations.cancel_delivery])
def test_ids_and_keys_are_their_text(make: object) -> None:
    assert callable(make)
    assert make(Ids.FIVE) == make("order-5")
    assert operations.create_delivery(order(), Ids.FIVE).headers["Idempotency-Key"] == "order-5"
    assert operations.cancel_delivery("dlv_1", Ids.FIVE, Ids.FIVE) == operations.cancel_delivery(
        "dlv_1", "order-5", "order-5"
    )
    assert operations.send_test_webhook(Ids.URL, Ids.EVENT) == operations.send_test_webhook(
        Ids.URL.value, Ids.EVENT.value
    )
    assert str(DeliveryStatus(Ids.FIVE)) == "order-5"


def test_what_no_database_keeps_is_replaced() -> None:
    assert storable("a\0b\ud800") == "a\ufffdb?"
