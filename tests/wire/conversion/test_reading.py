"""Reading responses: what must be there, what may be unreadable, and how much a hostile body can cost."""

import gzip
import json
import logging
import zlib
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import (
    ApiError,
    Delivery,
    DeliveryCreated,
    DeliveryRequest,
    DeliveryWebhook,
    InvalidRequestError,
    Outcome,
    UnreadableResponseError,
    models,
    operations,
)
from kaspi_delivery_async._wire.body import LARGEST_BODY
from kaspi_delivery_async._wire.conversion import converter, thorough
from kaspi_delivery_async._wire.conversion.converter import structure_tolerantly
from kaspi_delivery_async._wire.conversion.thorough import LONGEST_LIST, ConversionError
from kaspi_delivery_async.models import from_dict, from_json, to_dict, to_json
from tests.support.orders import changed, order

CREATE = operations.create_delivery(order())
GET = operations.get_delivery("dlv_1", include_history=True)
CREATED = {"deliveryId": "dlv_1", "status": "created"}

FULL: dict[type[Any], dict[str, Any]] = {
    models.DeliveryRequest: to_dict(order()),
    models.Delivery: {
        **CREATED,
        **to_dict(order()),
        "trackingUrl": "https://track.kaspi.kz/dlv_1",
        "eta": {"pickupBy": "2024-06-11T10:10:54Z", "deliveryBy": "2024-06-11T18:10:54+05:00"},
        "history": [{"status": "created", "timestamp": "2024-06-11T09:10:54Z", "notes": "n"}, {"status": "new"}],
    },
    models.DeliveryCreated: {**CREATED, "eta": {}},
    models.DeliveryWebhook: {"eventId": "wh_1", "type": "delivery.created", "data": CREATED, "attempt": 1},
    models.TestWebhook: {"eventId": "wh_1", "status": "queued"},
    models.TestWebhookRequest: {"url": "https://shop.kz", "type": "delivery.created"},
    models.CancelRequest: {"reason": "late"},
    models.ErrorResponse: {"code": "conflict", "message": "no"},
}


@pytest.mark.parametrize("model", FULL, ids=lambda model: model.__name__)
def test_good_values_are_read_by_the_compiled_functions_alone(
    model: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the thorough reader was asked for a good value")

    for module in (converter, thorough):
        monkeypatch.setattr(module, "Reading", refuse)
    value = from_dict(model, FULL[model])
    assert to_dict(value)
    assert structure_tolerantly(FULL[model], model, "test") == value


def created(**fields: object) -> bytes:
    return json.dumps(CREATED | fields).encode()


@pytest.mark.parametrize(
    "time",
    [
        "2024-06-11 10:10:54",
        "",
        1718100654,
        [],
        {},
        True,
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "soon",
    ],
)
def test_a_time_that_cannot_be_read_is_none_with_a_warning(time: object, caplog: pytest.LogCaptureFixture) -> None:
    good = "2024-06-11T18:10:54Z"
    delivery = CREATE.parse(201, {}, created(eta={"pickupBy": time, "deliveryBy": good}))
    assert delivery.delivery_id == "dlv_1"
    assert delivery.eta is not None
    assert (delivery.eta.pickup_by, delivery.eta.delivery_by) == (None, datetime(2024, 6, 11, 18, 10, 54, tzinfo=UTC))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("kaspi_delivery_async", logging.WARNING)
    assert "create_delivery: left out what could not be read: $.eta.pickupBy: expected an RFC 3339" in record.message


@pytest.mark.parametrize(("path", "value"), [("trackingUrl", 5), ("eta", "soon"), ("eta", [])])
def test_nothing_beside_id_and_status_hides_a_courier(path: str, value: object) -> None:
    assert CREATE.parse(201, {}, created(**{path: value})) == from_dict(DeliveryCreated, CREATED)


@pytest.mark.parametrize("body", [b'{"eventId": 7, "status": []}', b'{"eventId": 7}', b'"queued"'])
def test_a_response_of_which_nothing_can_be_read_is_unreadable(body: bytes) -> None:
    """Every field of it is optional, so without this rule any page would pass for a test webhook."""
    with pytest.raises(UnreadableResponseError, match="its body is no TestWebhook"):
        operations.send_test_webhook("https://shop.kz", "delivery.created").parse(202, {}, body)


def test_a_test_webhook_may_lack_every_field() -> None:
    operation = operations.send_test_webhook("https://shop.kz", "delivery.created")
    assert operation.parse(202, {}, b"{}") == models.TestWebhook()


def test_null_for_an_optional_field_is_not_among_the_problems() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        from_dict(Delivery, {"deliveryId": 5, "status": "created", "eta": None, "history": None})
    assert caught.value.problems == (("$.deliveryId", "expected a string, got a number"),)


@attrs.frozen(kw_only=True)
class Remarks:
    remarks: tuple[str | None, ...]


def test_an_element_may_be_null_where_its_type_says_so() -> None:
    assert from_dict(Remarks, {"remarks": ["ring", None]}) == Remarks(remarks=("ring", None))
    with pytest.raises(InvalidRequestError, match=r"^\$\.remarks\[1\]: expected a string, got a number$"):
        from_dict(Remarks, {"remarks": [None, 7]})


def test_what_a_required_part_lacks_takes_the_optional_whole_along() -> None:
    values = FULL[Delivery] | {"externalOrderId": 7, "pickup": {"address": "a", "contact": {"name": "n"}}}
    delivery = GET.parse(200, {}, json.dumps(values).encode())
    assert delivery.external_order_id is None
    assert delivery.pickup is None
    assert delivery.dropoff == order().dropoff


def test_elements_that_cannot_be_read_are_left_out_of_their_list() -> None:
    history = [1, {"status": "created"}, {}, {"status": "accepted", "timestamp": 7}]
    delivery = GET.parse(200, {}, json.dumps(CREATED | {"history": history}).encode())
    assert [(entry.status, entry.timestamp) for entry in delivery.history or ()] == [
        ("created", None),
        ("accepted", None),
    ]


@pytest.mark.parametrize("delivery_id", ["", " ", "\u200b", None, 7, "missing"])
@pytest.mark.parametrize("operation", [CREATE, GET], ids=["create", "get"])
def test_a_response_without_an_id_is_unreadable(operation: operations.Operation[Any], delivery_id: object) -> None:
    values = CREATED | {"deliveryId": delivery_id}
    if delivery_id == "missing":
        del values["deliveryId"]
    with pytest.raises(UnreadableResponseError, match=r"\$\.deliveryId: ") as caught:
        operation.parse(200, {}, json.dumps(values).encode())
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("field", ["eventId", "data.deliveryId"])
def test_a_webhook_without_its_ids_is_unreadable(field: str) -> None:
    values = json.loads(json.dumps(FULL[DeliveryWebhook]))
    (values["data"] if "." in field else values)[field.rpartition(".")[2]] = ""
    with pytest.raises(ConversionError, match=rf"\$\.{field}: must not be empty or blank"):
        structure_tolerantly(values, DeliveryWebhook, "webhook")


@pytest.mark.parametrize("given_id", ["order-741", "ORDER-742", 742, "x" * 5000])
def test_a_delivery_of_another_order_is_not_taken_for_this_one(given_id: object) -> None:
    with pytest.raises(UnreadableResponseError, match="externalOrderId is not the one that was asked for") as caught:
        CREATE.parse(201, {}, created(externalOrderId=given_id))
    assert (caught.value.outcome, caught.value.delivery_id) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize("given_id", ["order-742", " order-742\u200b", None, [], 1.5])
def test_an_order_id_that_is_the_same_or_not_given_back_is_fine(given_id: object) -> None:
    assert CREATE.parse(201, {}, created(externalOrderId=given_id)).delivery_id == "dlv_1"


def test_a_numeric_order_id_may_come_back_as_a_number() -> None:
    assert operations.create_delivery(order("742")).parse(201, {}, created(externalOrderId=742)).delivery_id == "dlv_1"


@pytest.mark.parametrize("operation", [GET, operations.cancel_delivery("dlv_1")], ids=["get", "cancel"])
def test_another_delivery_is_not_taken_for_the_one_asked_for(operation: operations.Operation[Any]) -> None:
    with pytest.raises(UnreadableResponseError, match="deliveryId is not the one that was asked for"):
        operation.parse(200, {}, json.dumps(CREATED | {"deliveryId": "dlv_2"}).encode())


def test_only_a_write_is_said_to_have_been_carried_out() -> None:
    with pytest.raises(UnreadableResponseError) as caught:
        GET.parse(200, {}, b"Maintenance")
    assert "carried out" not in str(caught.value)


RAW_DEFLATE = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": gzip.compress(created()),
    "x-gzip": gzip.compress(created()[:10]) + gzip.compress(created()[10:]),
    "deflate": zlib.compress(created()),
    "Deflate": RAW_DEFLATE.compress(created()) + RAW_DEFLATE.flush(),
    "gzip, identity, GZIP": gzip.compress(gzip.compress(created())),
    "identity": created(),
}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("name", ["Content-Encoding", "content-encoding"])
def test_packed_bodies_are_read(name: str, encoding: str) -> None:
    assert CREATE.parse(201, {name: encoding}, PACKED[encoding]).delivery_id == "dlv_1"


def test_a_byte_order_mark_is_skipped() -> None:
    mark = b"\xef\xbb\xbf"
    assert CREATE.parse(201, {}, mark + created()).delivery_id == "dlv_1"
    assert CREATE.parse(201, {"Content-Encoding": "gzip"}, gzip.compress(mark + created())).delivery_id == "dlv_1"
    assert from_json(DeliveryCreated, "\N{BOM}" + created().decode()).delivery_id == "dlv_1"
    with pytest.raises(InvalidRequestError, match="not JSON"):
        from_json(DeliveryCreated, mark * 2 + created())


def test_error_bodies_are_read_the_same_way() -> None:
    body = gzip.compress(b'\xef\xbb\xbf{"code": "conflict", "message": "no"}')
    with pytest.raises(ApiError) as caught:
        CREATE.parse(418, {"Content-Encoding": "gzip"}, body)
    assert (caught.value.code, caught.value.message) == ("conflict", "no")


@pytest.mark.parametrize(
    ("encoding", "body", "problem"),
    [
        ("gzip", gzip.compress(b" " * (LARGEST_BODY + 1)), "larger than 4194304 bytes when unpacked"),
        ("gzip", b"<html>", "no valid gzip"),
        ("br", b"\x0b\x02\x80", "other than gzip and deflate"),
        ("gzip, gzip, gzip, gzip", b"", "other than"),
        ("gzip", gzip.compress(created()) + gzip.compress(b" ") * 3, "in more than 3 pieces"),
    ],
    ids=["immense", "not packed", "another encoding", "too many layers", "too many pieces"],
)
def test_what_cannot_be_unpacked_is_unreadable(encoding: str, body: bytes, problem: str) -> None:
    headers = {"Content-Encoding": encoding}
    with pytest.raises(UnreadableResponseError, match=problem) as caught:
        CREATE.parse(201, headers, body)
    assert caught.value.body == body[:65536]
    with pytest.raises(ApiError) as refused:
        CREATE.parse(418, headers, body)
    assert refused.value.code is None


def test_an_unreadable_packed_body_is_kept_unpacked_with_its_id() -> None:
    text = b'{"deliveryId": "dlv_9", "status": 5}'
    with pytest.raises(UnreadableResponseError) as caught:
        CREATE.parse(201, {"Content-Encoding": "gzip"}, gzip.compress(text))
    assert (caught.value.body, caught.value.delivery_id) == (text, "dlv_9")


@pytest.mark.parametrize("element", [b"1", b"{}", b'{"status":1}'])
def test_an_immense_list_costs_little(element: bytes, caplog: pytest.LogCaptureFixture) -> None:
    history = b",".join([element] * (LARGEST_BODY // (len(element) + 1)))
    body = b'{"deliveryId":"dlv_1","status":"created","history":[' + history + b"]}"
    assert GET.parse(200, {}, body).history is None
    assert f"holds more than {LONGEST_LIST} elements" in caplog.text


@pytest.mark.parametrize(("elements", "read"), [(LONGEST_LIST, LONGEST_LIST), (LONGEST_LIST + 1, 0)])
def test_a_list_of_good_elements_is_read_up_to_its_bound(elements: int, read: int) -> None:
    history = [{"status": "created", "timestamp": "2024-06-11T08:10:54Z"}] * elements
    assert len(GET.parse(200, {}, json.dumps(CREATED | {"history": history}).encode()).history or ()) == read


def test_the_first_wrong_places_are_named_and_the_rest_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert GET.parse(200, {}, json.dumps(CREATED | {"history": [1] * 5000}).encode()).history is None
    assert "$.history[15]: expected an object, got a number; and 4984 more" in caplog.text
    assert len(caplog.text) < 2000
    with pytest.raises(InvalidRequestError, match=r"4984 more fields are wrong") as caught:
        from_dict(Delivery, CREATED | {"history": [1] * 5000})
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31t23:59:60.5z", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2017-01-01T05:59:60+06:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2024-06-11t10:10:54z", datetime(2024, 6, 11, 10, 10, 54, tzinfo=UTC)),
        ("0001-01-02T00:00:00Z", datetime(1, 1, 2, tzinfo=UTC)),
    ],
)
def test_times_of_rfc_3339_are_read(text: str, moment: datetime) -> None:
    assert from_dict(models.Eta, {"pickupBy": text}).pickup_by == moment


@given(st.text(alphabet="0123456789-:TtZz+.60 ", max_size=30))
def test_every_time_can_be_shown_in_every_zone(text: str) -> None:
    try:
        moment = from_dict(models.Eta, {"pickupBy": text}).pickup_by
    except InvalidRequestError:
        return
    assert moment is not None
    assert moment.astimezone(UTC).tzinfo is UTC


@pytest.mark.parametrize(
    ("path", "name", "advice"),
    [
        ("dropoff", "note", "did you mean notes?"),
        ("", "external_order_id", "did you mean externalOrderId?"),
        ("parcel", "qqq", "is no field here$"),
        ("pickup.contact", "x" * 100, r"'x{64}'…"),
    ],
)
def test_an_unknown_field_of_an_order_is_refused(path: str, name: str, advice: str) -> None:
    values = json.loads(json.dumps(to_dict(order())))
    part = values
    for step in filter(None, path.split(".")):
        part = part[step]
    part[name] = "ring"
    with pytest.raises(InvalidRequestError, match=advice) as caught:
        from_dict(DeliveryRequest, values)
    with pytest.raises(InvalidRequestError):
        from_json(DeliveryRequest, json.dumps(values))
    assert caught.value.path.startswith("$." + (f"{path}." if path else ""))


def test_unknown_fields_of_a_response_are_ignored() -> None:
    values = FULL[Delivery] | {"courier": {}, "pickup": to_dict(order())["pickup"] | {"floor": 3}}
    assert from_dict(Delivery, values) == from_dict(Delivery, FULL[Delivery])


@attrs.frozen(kw_only=True)
class ShopOrder(DeliveryRequest):
    customer_email: str


def test_of_a_subclass_only_the_apis_fields_are_sent() -> None:
    shop_order = ShopOrder(
        **{field.name: getattr(order(), field.name) for field in attrs.fields(DeliveryRequest)}, customer_email="a@b.kz"
    )
    assert operations.create_delivery(shop_order) == CREATE
    assert to_json(shop_order) == to_json(order())
    assert type(models.checked_order(shop_order)) is DeliveryRequest
    wrong = changed(shop_order, parcel=None)
    with pytest.raises(InvalidRequestError, match=r"\$\.parcel: expected Parcel"):
        to_dict(wrong)
