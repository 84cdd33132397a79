"""Models: strict about what is sent, tolerant of what comes, and discreet."""

import copy
import pickle
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import InvalidRequestError, models
from kaspi_delivery_async.models import (
    Contact,
    Delivery,
    DeliveryCreated,
    DeliveryRequest,
    DeliveryStatus,
    Eta,
    Location,
    Parcel,
    StatusHistory,
    from_dict,
    from_json,
    to_dict,
    to_json,
)
from tests.support.orders import PERSONAL, changed, order

DOCUMENTED_ANSWER = b"""{
  "deliveryId": "dlv_01hfz18tnb7tqw", "status": "created",
  "trackingUrl": "https://track.kaspi.kz/dlv_01hfz18tnb7tqw",
  "eta": {"pickupBy": "2024-06-11T10:10:54Z", "deliveryBy": "2024-06-11T18:10:54Z"}
}"""


def test_the_documented_response_is_read() -> None:
    assert from_json(DeliveryCreated, DOCUMENTED_ANSWER) == DeliveryCreated(
        delivery_id="dlv_01hfz18tnb7tqw",
        status=DeliveryStatus.CREATED,
        tracking_url="https://track.kaspi.kz/dlv_01hfz18tnb7tqw",
        eta=Eta(
            pickup_by=datetime(2024, 6, 11, 10, 10, 54, tzinfo=UTC),
            delivery_by=datetime(2024, 6, 11, 18, 10, 54, tzinfo=UTC),
        ),
    )


def test_only_id_and_status_are_required_of_a_response() -> None:
    assert from_json(Delivery, '{"deliveryId": "d", "status": "created", "eta": null, "new": {}}') == Delivery(
        delivery_id="d", status=DeliveryStatus.CREATED
    )


def test_an_unknown_status_survives_model_json_model() -> None:
    delivery = from_json(Delivery, '{"deliveryId": "d", "status": "returned_to_sender"}')
    assert from_json(Delivery, to_json(delivery)) == delivery
    assert delivery.status == "returned_to_sender"
    assert not delivery.status.is_known


def test_fields_that_are_none_are_left_out() -> None:
    assert to_dict(Location(address="a", contact=Contact(name="n", phone="p"))) == {
        "address": "a",
        "contact": {"name": "n", "phone": "p"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"\$: not JSON"),
        ("[]", r"\$: expected an object, got an array"),
        ("{}", r"\$.deliveryId: is missing; \$.status: is missing"),
        ('{"deliveryId": 1, "status": null}', r"deliveryId: expected a string, got a number; .*status: .* got null"),
        ('{"deliveryId": "d", "status": "s", "trackingUrl": 5}', r"\$.trackingUrl: expected a string, got a number"),
        ('{"deliveryId": "d", "status": "s", "history": {}}', r"\$.history: expected an array, got an object"),
        ('{"deliveryId": "d", "status": "s", "history": [{"status": "a"}, {}]}', r"\$.history\[1\].status: is missing"),
        ('{"deliveryId": "d", "status": "s", "eta": {"pickupBy": "soon"}}', r"\$.eta.pickupBy: expected an RFC 3339"),
        ('{"deliveryId": "d", "status": "s", "eta": {"pickupBy": 17}}', r"\$.eta.pickupBy: expected an RFC 3339"),
        ('{"deliveryId": "d", "status": "s", "eta": {"pickupBy": "2024-06-11T10:10:54"}}', "with its offset"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_path(text: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        from_json(Delivery, text)


@pytest.mark.parametrize(("weight", "fits"), [(800, True), (800.0, True), (800.5, False), (True, False), ("8", False)])
def test_a_number_of_grams_is_whole(weight: object, fits: bool) -> None:
    values = {"description": "Shoes", "weightGrams": weight, "valueKzt": 1}
    if fits:
        assert from_dict(Parcel, values).weight_grams == 800
    else:
        with pytest.raises(InvalidRequestError, match=r"\$.weightGrams: expected an integer"):
            from_dict(Parcel, values)


ORDER = order()
WRONG = {
    "$.externalOrderId": changed(ORDER, external_order_id=7),
    "$.pickup": changed(ORDER, pickup="42 Dostyk Ave"),
    "$.pickup.contact": changed(ORDER, pickup=changed(ORDER.pickup, contact=ORDER.parcel)),
    "$.dropoff.contact.phone": changed(
        ORDER, dropoff=changed(ORDER.dropoff, contact=changed(ORDER.dropoff.contact, phone=77010000000))
    ),
    "$.dropoff.notes": changed(ORDER, dropoff=changed(ORDER.dropoff, notes=b"ring")),
    "$.parcel.weightGrams": changed(ORDER, parcel=changed(ORDER.parcel, weight_grams=True)),
    "$.parcel.valueKzt": changed(ORDER, parcel=changed(ORDER.parcel, value_kzt=18000.0)),
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_type_is_refused_before_sending_by_its_path(path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        to_json(WRONG[path])
    assert caught.value.path == path


def test_all_wrong_fields_are_named_at_once() -> None:
    parcel = Parcel(description=1, weight_grams="2", value_kzt=3)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"\$.description: .*; \$.weightGrams: expected an integer"):
        to_dict(parcel)


def test_a_history_that_is_no_tuple_and_a_time_without_zone_are_refused() -> None:
    entry = StatusHistory(status=DeliveryStatus.CREATED, timestamp=datetime(2024, 6, 11))
    with pytest.raises(InvalidRequestError, match=r"\$.timestamp: expected a datetime with its time zone"):
        to_dict(entry)
    with pytest.raises(InvalidRequestError, match=r"\$.history: expected a tuple, got an array"):
        to_dict(Delivery(delivery_id="d", status=DeliveryStatus.CREATED, history=[]))  # type: ignore[arg-type]


def test_an_entry_of_a_history_that_is_none_is_refused_by_its_place() -> None:
    entry = StatusHistory(status=DeliveryStatus.CREATED)
    delivery = Delivery(delivery_id="d", status=DeliveryStatus.CREATED, history=(entry, "accepted"))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match=r"^\$\.history\[1\]: expected StatusHistory, got a string$"):
        to_dict(delivery)


UNWRITABLE = {
    "$.parcel.weightGrams": changed(ORDER, parcel=changed(ORDER.parcel, weight_grams=10**30)),
    "$.parcel.valueKzt": changed(ORDER, parcel=changed(ORDER.parcel, value_kzt=-(2**63) - 1)),
    "$.dropoff.contact.phone": changed(
        ORDER, dropoff=changed(ORDER.dropoff, contact=changed(ORDER.dropoff.contact, phone="+7\ud800"))
    ),
    "$.history[1].notes": Delivery(
        delivery_id="d",
        status=DeliveryStatus.CREATED,
        history=(
            StatusHistory(status=DeliveryStatus.CREATED),
            StatusHistory(status=DeliveryStatus.ACCEPTED, notes="\udfff"),
        ),
    ),
}


@pytest.mark.parametrize("path", UNWRITABLE)
def test_what_json_cannot_carry_is_refused_by_its_path(path: str) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON: ") as caught:
        to_json(UNWRITABLE[path])
    assert caught.value.path == path


def test_all_that_json_cannot_carry_is_named_at_once() -> None:
    parcel = Parcel(description="\ud800", weight_grams=800, value_kzt=2**64)
    with pytest.raises(
        InvalidRequestError, match=r"^\$\.description: cannot .*; \$\.valueKzt: cannot .* 64-bit range$"
    ):
        to_json(parcel)


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63)])
def test_an_integer_of_64_bits_is_written(value: int) -> None:
    assert str(value).encode() in to_json(changed(ORDER.parcel, value_kzt=value))


@pytest.mark.parametrize(
    ("text", "byte"),
    [(b"\xff\xfe{\x00}\x00", 1), ('{"address": "Алматы"}'.encode("cp1251"), 14)],
    ids=["utf-16", "1251"],
)
def test_bytes_of_another_encoding_are_not_reported_as_bad_json(text: bytes, byte: int) -> None:
    with pytest.raises(InvalidRequestError, match=rf"not UTF-8 text \(byte {byte}\)$"):
        from_json(Delivery, text)


@pytest.mark.parametrize("text", [b"{", "{", '{"a": "\ud800"}'])
def test_a_text_that_is_no_json_is_named_so(text: bytes | str) -> None:
    with pytest.raises(InvalidRequestError, match=r"\$: not JSON: "):
        from_json(Delivery, text)


def test_a_repr_shows_nothing_personal() -> None:
    shown = repr(order())
    assert "order-742" in shown
    assert not any(secret in shown for secret in PERSONAL)


def test_models_are_values() -> None:
    assert order() == order()
    assert len({order(), order("other")}) == 2
    assert pickle.loads(pickle.dumps(order())) == copy.deepcopy(order()) == order()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        order().external_order_id = "other"  # type: ignore[misc]


texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.datetimes(timezones=st.timezones(), min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))
contacts = st.builds(Contact, name=texts, phone=texts)
locations = st.builds(Location, address=texts, contact=contacts, notes=st.none() | texts)
integers = st.integers(-(2**63), 2**63 - 1)
parcels = st.builds(Parcel, description=texts, weight_grams=integers, value_kzt=integers)
statuses = st.sampled_from(DeliveryStatus) | texts.map(DeliveryStatus)
histories = st.builds(StatusHistory, status=statuses, timestamp=st.none() | times, notes=st.none() | texts)


@given(
    st.builds(DeliveryRequest, external_order_id=texts, pickup=locations, dropoff=locations, parcel=parcels)
    | st.builds(
        Delivery,
        delivery_id=texts,
        status=statuses,
        pickup=st.none() | locations,
        parcel=st.none() | parcels,
        eta=st.none() | st.builds(Eta, pickup_by=st.none() | times, delivery_by=st.none() | times),
        history=st.none() | st.lists(histories, max_size=3).map(tuple),
    )
)
def test_every_model_survives_json(model: DeliveryRequest | Delivery) -> None:
    assert from_json(type(model), to_json(model)) == model


wire_names = st.sampled_from(["deliveryId", "status", "eta", "history"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["deliveryId", "status", "eta", "history"]), inner)
    ),
)


@given(json_values)
def test_whatever_comes_is_a_model_or_an_error_that_names_a_path(values: object) -> None:
    try:
        delivery = from_dict(Delivery, values)  # type: ignore[arg-type]
    except InvalidRequestError as error:
        assert error.path.startswith("$")
    else:
        assert isinstance(delivery.delivery_id, str)


def test_the_public_models_are_all_there() -> None:
    assert set(models.__all__) >= {name for name, value in vars(models).items() if attrs.has(value)}
