"""`bulk map`: what is proposed for the exports of shops, also where their columns are called a little otherwise."""

import random
import tomllib
from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryRequest, InvalidRequestError
from kaspi_delivery_async.order_files import read_orders
from kaspi_delivery_async.order_files.mapping.definition.model import FileFormat
from kaspi_delivery_async.order_files.mapping.proposal import ProposedRows
from kaspi_delivery_async.order_files.opening import opened_table
from tests.order_files.mapping.test_shops import fields
from tests.order_files.shops import PICKUP, SHOPS, Shop

TEXTS = [shop for shop in SHOPS if not shop.name.endswith((".xlsx", "rounded.csv"))]

SYNONYMS = {
    "insales.csv": {"ФИО": "Получатель заказа", "Количество": "Кол-во, шт"},
    "woocommerce.csv": {"Phone (Billing)": "Contact phone", "Item Weight": "weight (kg)"},
    "shopify.csv": {"Shipping Phone": "Customer phone", "Lineitem quantity": "Qty"},
    "ozon.csv": {"Телефон получателя": "Моб. телефон", "Вес отправления, г": "Вес, г"},
    "1c.csv": {"Контрагент": "Контрагент (покупатель)", "Сумма": "Сумма, тенге"},
    "opencart.txt": {"telephone": "phone number", "weight": "Вес (кг)"},
    "own.csv": {"dropoff.contact.phone": "Телефон клиента", "parcel.description": "Описание"},
}


def proposed(path: Path) -> dict[str, object]:
    rows = ProposedRows()
    with opened_table(path, rows.missing, FileFormat()) as table:
        proposal = rows.propose(table.heading)
    values = tomllib.loads(proposal.text())
    assert values.get("constants", {}).keys() == set(proposal.pickup)
    values["constants"] = PICKUP
    values["defaults"] = dict.fromkeys(proposal.unknown, "400")
    return values


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_a_known_system_is_recognised_by_its_heading(tmp_path: Path, shop: Shop) -> None:
    path = shop.write(tmp_path / shop.name)
    assert proposed(path).get("preset") == shop.mapping.get("preset")


@pytest.mark.parametrize("shop", TEXTS, ids=lambda shop: shop.name)
def test_a_heading_that_is_written_otherwise_needs_no_change_of_the_proposal(tmp_path: Path, shop: Shop) -> None:
    path = shop.write(tmp_path / shop.name)
    encoding = "windows-1251" if shop.name == "1c.csv" else "utf-8"
    content = path.read_bytes().decode(encoding)
    randomly = random.Random(7)
    for name, synonym in SYNONYMS[shop.name].items():
        scrambled = "".join(randomly.choice((str.lower, str.upper))(letter) for letter in synonym)
        content = content.replace(name, f" {scrambled} ", 1)
    path.write_bytes(content.encode(encoding))
    found = [
        line.order for line in read_orders(path, mapping=proposed(path)) if isinstance(line.order, DeliveryRequest)
    ]
    assert {order.external_order_id: fields(order) for order in found} == dict(shop.orders)


def test_columns_with_quotes_and_units_are_written_as_toml(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text('"№ ""заказа""";Адрес;ФИО;Телефон;Товар;Масса, г;Цена;Кол-во\n1;a;b;+7 701 000 0001;d;500;6;2\n')
    values = proposed(path)
    assert values["columns"]["externalOrderId"] == '№ "заказа"'  # type: ignore[index]
    assert (values["units"], values["group"]) == (
        {"parcel.weightGrams": "g"},
        {"by": "externalOrderId", "quantity": "Кол-во"},
    )
    (line,) = read_orders(path, mapping=values)
    assert isinstance(line.order, DeliveryRequest)
    assert line.order.parcel.weight_grams == 1000


def test_a_heading_that_says_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text("один;два;три\n1;2;3\n")
    with pytest.raises(InvalidRequestError, match="says too little of orders; its columns: 'один', 'два', 'три'"):
        proposed(path)


def test_columns_that_are_joined_are_completed(tmp_path: Path) -> None:
    path = SHOPS[2].write(tmp_path / "woocommerce.csv")
    path.write_text(path.read_text().replace("Address 1&2 (Shipping)", "Street"))
    columns = proposed(path)["columns"]
    assert columns == {"dropoff.address": ["City (Shipping)", "Street"]}
