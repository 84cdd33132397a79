"""Exports of shops come out cell by cell, each by its preset or mapping."""

from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryRequest
from kaspi_delivery_async.order_files import read_orders
from tests.order_files.shops import PICKUP, SHOPS, Fields, Shop


def fields(order: DeliveryRequest) -> Fields:
    dropoff, parcel = order.dropoff, order.parcel
    return (
        *(dropoff.address, dropoff.contact.name, dropoff.contact.phone, dropoff.notes),
        *(parcel.description, parcel.weight_grams, parcel.value_kzt),
    )


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_the_export_of_a_shop_comes_out_cell_by_cell(tmp_path: Path, shop: Shop) -> None:
    orders = read_orders(shop.write(tmp_path / shop.name), mapping={**shop.mapping, "constants": PICKUP})
    lines = list(orders)
    found = [line.order for line in lines if isinstance(line.order, DeliveryRequest)]
    assert {order.external_order_id: fields(order) for order in found} == dict(shop.orders)
    assert {order.pickup.address for order in found} == {PICKUP["pickup.address"]}
    refused = {
        line.place.rpartition(", ")[2]: str(line.order) for line in lines if not isinstance(line.order, DeliveryRequest)
    }
    assert refused.keys() == shop.refused.keys()
    assert all(problem in refused[place] for place, problem in shop.refused.items())
    assert {left.reason: ", ".join(left.named) for left in orders.left_out} == dict(shop.left_out)
