"""Addresses and names that a file has in several columns, or twice: one of them is taken, as a whole."""

from pathlib import Path
from typing import Any

import pytest

from kaspi_delivery_async import ConfigurationError, DeliveryRequest, InvalidRequestError
from kaspi_delivery_async.order_files import read_orders
from tests.order_files.shops import PICKUP

SHOP = (
    "Order Number,Order Status,First Name (Shipping),Last Name (Shipping),City (Shipping),Address 1 (Shipping),"
    "Address 2 (Shipping),First Name (Billing),Last Name (Billing),City (Billing),Address 1 (Billing),Phone (Billing),"
    "Item Name,Item Weight,Quantity,Order Total Amount"
)
REST = "+77010000001,Tea,0.5,1,1000"


def read(folder: Path, heading: str, *rows: str, preset: str = "woocommerce", **mapping: Any) -> list[Any]:
    path = folder / "o.csv"
    path.write_text("\n".join([heading, *rows]))
    return [line.order for line in read_orders(path, mapping={"preset": preset, "constants": PICKUP, **mapping})]


@pytest.mark.parametrize(
    ("shipping", "address", "name"),
    [
        ("Ann,Lee,Almaty,Abay 1,apt. 5", "Almaty, Abay 1, apt. 5", "Ann Lee"),
        ("Ann,,,Abay 1,", "Abay 1", "Ann"),
        (",,,,", "Astana, Turan 9", "Bob Ray"),
    ],
    ids=["shipping", "incomplete shipping", "billing"],
)
def test_the_address_is_of_shipping_or_of_billing_and_never_of_both(
    tmp_path: Path, shipping: str, address: str, name: str
) -> None:
    (order,) = read(tmp_path, SHOP, f"1,processing,{shipping},Bob,Ray,Astana,Turan 9,{REST}")
    assert (order.dropoff.address, order.dropoff.contact.name) == (address, name)


def test_a_city_alone_is_no_address(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, SHOP, f"1,processing,Ann,Lee,Almaty,,,Bob,Ray,Astana,Turan 9,{REST}")
    assert isinstance(problem, InvalidRequestError)
    assert "'Address 1 (Shipping)' is empty, so dropoff.address has no street; fill it in" in str(problem)


def test_a_file_without_a_column_for_streets_is_refused(tmp_path: Path) -> None:
    heading = "Номер,ФИО,Телефон,Город доставки,Название товара,Количество,Вес (кг),Итого (тг.)"
    with pytest.raises(InvalidRequestError, match=r"the file has no column for dropoff\.address"):
        read(tmp_path, heading, "1,А,+77010000001,Алматы,Чай,1,0.5,1000", preset="insales")


def test_of_several_lists_a_file_needs_the_columns_of_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"no column 'Address 1&2 \(Shipping\)' \(named in"):
        read(tmp_path, SHOP.replace("Address 1 (", "Street ("), "")
    billing = SHOP.replace("City (Shipping)", "Town").replace("Address 1 (Shipping)", "Street")
    (order,) = read(tmp_path, billing, f"1,processing,Ann,Lee,Almaty,Abay 1,,Bob,Ray,Astana,Turan 9,{REST}")
    assert order.dropoff.address == "Astana, Turan 9"


CABINET = "№ заказа;Статус;Имя;Телефон;Адрес доставки;Название товара;Вес, кг"
ROW = "1;Новый;А;+77010000001;Абая 1;{};0,5"


@pytest.mark.parametrize(
    ("heading", "first", "second", "value"),
    [
        ("Сумма", "1000", "2000", 3000),
        ("Сумма заказа", "3000", "3000", 3000),
        ("Сумма;Сумма заказа", "1000;3000", "2000;3000", 3000),
    ],
    ids=["of each article", "of the order", "both"],
)
def test_a_sum_is_counted_as_its_column_means_it(
    tmp_path: Path, heading: str, first: str, second: str, value: int
) -> None:
    rows = [f"{ROW.format('Чай')};{first}", f"{ROW.format('Кофе')};{second}"]
    (order,) = read(tmp_path, f"{CABINET};{heading}", *rows, preset="kaspi-cabinet")
    assert isinstance(order, DeliveryRequest), order
    assert order.parcel.value_kzt == value


def test_an_empty_sum_of_an_article_is_not_made_up_from_that_of_the_order(tmp_path: Path) -> None:
    rows = [f"{ROW.format('Чай')};1000;3000", f"{ROW.format('Кофе')};;3000"]
    (order,) = read(tmp_path, f"{CABINET};Сумма;Сумма заказа", *rows, preset="kaspi-cabinet")
    assert order.parcel.value_kzt == 1000


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"first": ["a"], "once": ["b"]}, "once: 'b' is none of the columns beside it"),
        ({"first": [["a"], []]}, "first: must be a list of names"),
        ({"columns": ["a", {"column": "b"}]}, "column: is unknown; known are first, optional"),
        ({"columns": ["a", {"first": ["b"], "optional": "yes"}]}, "optional: must be true or false"),
    ],
)
def test_what_is_wrong_with_a_source_is_named(tmp_path: Path, source: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, SHOP, "", columns={"parcel.valueKzt": source})
