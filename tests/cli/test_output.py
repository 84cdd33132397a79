"""How results look."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async.cli.deliveries.text import delivery_text
from kaspi_delivery_async.cli.output import change_text, change_values, printable, status_text
from kaspi_delivery_async.models import Contact, Delivery, DeliveryStatus, Eta, Location, StatusHistory
from kaspi_delivery_async.tracking import StatusChange


@given(st.text())
def test_nothing_that_could_steer_a_terminal_gets_through(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["Нұрлан Ә., Шымкент", "order-742", "18000 ₸"])
def test_letters_of_any_alphabet_stay(text: str) -> None:
    assert printable(text) == text


def test_a_delivery_of_which_little_is_known_is_shown_as_far_as_it_is() -> None:
    delivery = Delivery(delivery_id="dlv_1", status=DeliveryStatus.CREATED)
    assert delivery_text(delivery).plain == "dlv_1  created"


def test_an_expectation_of_which_half_is_known_is_shown() -> None:
    eta = Eta(delivery_by=datetime(2024, 6, 11, 23, 10, 54, tzinfo=timezone(timedelta(hours=5))))
    delivery = Delivery(delivery_id="dlv_1", status=DeliveryStatus.CREATED, eta=eta)
    assert delivery_text(delivery).plain == "dlv_1  created\n  deliver by 2024-06-11T18:10:54Z"


def test_a_place_without_notes() -> None:
    home = Location(address="89 Satpayev St", contact=Contact(name="Aigerim K.", phone="+7 701 000 0000"))
    delivery = Delivery(delivery_id="dlv_1", status=DeliveryStatus.CREATED, dropoff=home)
    assert delivery_text(delivery).plain.endswith("89 Satpayev St: Aigerim K., +7 701 000 0000")


def test_what_the_server_says_cannot_steer_the_terminal() -> None:
    delivery = Delivery(
        delivery_id="dlv_1\x1b[2J",
        status=DeliveryStatus("odd\x1b]0;title\x07"),
        external_order_id="a\rb",
        history=(StatusHistory(status=DeliveryStatus("\x9b31m")),),
    )
    assert all(line.isprintable() for line in delivery_text(delivery).plain.split("\n"))


def test_a_change_without_a_time() -> None:
    change = StatusChange(delivery_id="dlv_1", status=DeliveryStatus.CREATED)
    assert change_values(change) == {"deliveryId": "dlv_1", "status": "created", "timestamp": None}
    assert change_text(change).plain == "time unknown  created"


def test_a_change_with_its_time_in_utc() -> None:
    change = StatusChange(
        delivery_id="dlv_1", status=DeliveryStatus.CREATED, timestamp=datetime(2024, 6, 11, 8, 10, 54, tzinfo=UTC)
    )
    assert change_values(change)["timestamp"] == "2024-06-11T08:10:54Z"


def test_an_unknown_status_is_shown_as_it_came() -> None:
    assert status_text(DeliveryStatus("on_hold")).plain == "on_hold"
