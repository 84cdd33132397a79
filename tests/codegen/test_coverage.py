"""What the hand-written layer lacks is named, with the file it belongs in."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from codegen import coverage, settings
from codegen.coverage import Layer, gaps, present_layer
from codegen.documents import CodegenError

NAMES = frozenset({"create_delivery", "get_delivery", "cancel_delivery", "send_test_webhook"})
COMPLETE = Layer(
    coroutines=NAMES,
    functions=NAMES,
    has_route=lambda _method, _path: True,
    docs=" ".join(NAMES),
    statuses=frozenset({"created", "accepted", "in_transit", "out_for_delivery", "delivered", "cancelled"}),
)


def test_a_complete_layer_lacks_nothing(description: dict[str, Any]) -> None:
    assert list(gaps(description, COMPLETE)) == []


def test_the_present_layer_has_the_operations_routes_and_statuses() -> None:
    layer = present_layer(settings.ROOT)
    assert layer.coroutines >= NAMES
    assert layer.functions >= NAMES
    assert layer.statuses == COMPLETE.statuses
    assert layer.has_route("POST", "/v1/deliveries/{deliveryId}/cancel")
    assert not layer.has_route("GET", "/v1/deliveries")
    assert not layer.has_route("GET", "/v1/nothing")


@pytest.mark.parametrize(
    ("lacking", "line"),
    [
        (
            {"functions": NAMES - {"get_delivery"}},
            "getDelivery: no function get_delivery; it belongs in kaspi_delivery_async/operations.py",
        ),
        (
            {"coroutines": NAMES - {"get_delivery"}},
            "getDelivery: no coroutine DeliveryClient.get_delivery; it belongs in kaspi_delivery_async/client.py",
        ),
        (
            {"has_route": lambda _method, path: path != "/v1/webhooks/test"},
            (
                "sendTestWebhook: no route for POST /v1/webhooks/test; it belongs in "
                "kaspi_delivery_async/sandbox/http/delivery_api.py"
            ),
        ),
        (
            {"docs": " ".join(NAMES - {"get_delivery"})},
            "getDelivery: the docs never mention get_delivery; it belongs in README.md or docs/",
        ),
    ],
    ids=["function", "coroutine", "route", "docs"],
)
def test_each_lack_of_an_operation_is_named(description: dict[str, Any], lacking: dict[str, Any], line: str) -> None:
    assert list(gaps(description, attrs.evolve(COMPLETE, **lacking))) == [line]


def test_a_status_without_a_rank_is_named_and_so_is_its_event(description: dict[str, Any]) -> None:
    layer = attrs.evolve(COMPLETE, statuses=COMPLETE.statuses - {"accepted"})
    status, event = gaps(description, layer)
    assert status.startswith("DeliveryStatus accepted: has no rank; it belongs in ")
    assert event.startswith("WebhookEventType delivery.accepted: reports a status without a rank; it belongs in ")
    assert status.endswith("kaspi_delivery_async/status.py")
    assert event.endswith("kaspi_delivery_async/status.py")


def test_a_package_that_cannot_be_imported_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(coverage, "PACKAGE", "package_that_is_not_there")
    with pytest.raises(CodegenError, match="cannot be imported with the models as they are"):
        present_layer(tmp_path)
