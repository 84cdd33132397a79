"""No order is made of a part of its rows, and none is lost, whatever the rows beside it are."""

from pathlib import Path
from typing import Any

import pytest

from kaspi_delivery_async import ConfigurationError, DeliveryRequest
from kaspi_delivery_async.order_files import OrderFile, read_orders
from kaspi_delivery_async.order_files.mapping.definition.loading import load_mapping
from tests.order_files.shops import PICKUP
from tests.support.workbooks import write_workbook

CABINET = "№ заказа;Статус;Имя;Телефон;Адрес доставки;Название товара;Вес, кг;Сумма"
ONE = "1;Новый;А;+77010000001;Абая 1;Фильтр;0,5;1000"
TWO = "2;Новый;Б;+77010000002;Абая 2;Чай;0,5;2000"
KEEPING = {"preset": "kaspi-cabinet"}


def orders(folder: Path, *rows: str, heading: str = CABINET, **mapping: Any) -> OrderFile:
    path = folder / "o.csv"
    path.write_text("\n".join([heading, *rows]))
    return read_orders(path, mapping={**(mapping or KEEPING), "constants": PICKUP})


def valid(found: OrderFile) -> list[str]:
    return [line.order.external_order_id for line in found if isinstance(line.order, DeliveryRequest)]


def test_an_article_without_id_and_status_spoils_the_order_above(tmp_path: Path) -> None:
    found = orders(tmp_path, ONE, ";;;;;Масло;4,5;20000", TWO)
    assert valid(found) == ["2"]
    assert "line 3: has no order id, so it may be an article of the order above" in str(next(iter(found)).order)
    assert list(found.left_out) == []


def test_a_row_without_an_id_that_has_another_status_is_left_out(tmp_path: Path) -> None:
    found = orders(tmp_path, ONE, ";Отменён;;;;Масло;4,5;20000")
    assert valid(found) == ["1"]
    assert [left.reason for left in found.left_out] == ["Статус: Отменён"]


def test_a_line_that_cannot_be_read_is_refused_and_not_left_out(tmp_path: Path) -> None:
    found = orders(tmp_path, '3;Новый;А;+77010000001;"Абая 1" дом;Фильтр;0,5;1000', TWO)
    first, second = found
    assert "line 2: cannot be read as CSV" in str(first.order)
    assert "line 2: cannot be read as CSV" in str(second.order)  # whose first row it may have been


def test_a_quote_that_swallows_the_first_row_of_an_order_spoils_it(tmp_path: Path) -> None:
    broken = ONE.replace("Абая 1", '"Абая 1')
    found = orders(tmp_path, broken, TWO.replace("Чай", '"Чай"'), TWO.replace("Чай", "Кофе"))
    assert valid(found) == []


def test_an_article_may_be_called_total(tmp_path: Path) -> None:
    found = orders(tmp_path, ONE, ";;;;;Total Quartz 9000 5W-40;4,5;20000", TWO)
    assert valid(found) == ["2"]
    assert list(found.left_out) == []


def test_an_article_called_total_belongs_to_the_merged_id_beside_it(tmp_path: Path) -> None:
    rows = [CABINET.split(";"), ONE.split(";"), ["", "", "", "", "", "Total Quartz", "4,5", "20000"]]
    path = write_workbook(tmp_path / "o.xlsx", rows, merged=["A2:A3"])
    (line,) = read_orders(path, mapping={**KEEPING, "constants": PICKUP})
    assert isinstance(line.order, DeliveryRequest), line.order
    assert line.order.parcel.description == "Фильтр, Total Quartz"


def test_a_row_is_skipped_for_any_column_of_a_rule(tmp_path: Path) -> None:
    heading = CABINET.replace("Статус", "Способ доставки;Тип доставки")
    found = orders(tmp_path, ONE.replace("Новый", "Курьер;Kaspi Доставка"), heading=heading)
    assert valid(found) == []
    assert [left.reason for left in found.left_out] == ["Тип доставки: Kaspi Доставка"]


@pytest.mark.parametrize("heading", ["ТЕЛЕФОН", "Телефон"])
def test_a_column_that_is_there_twice_is_refused_in_whatever_letters(tmp_path: Path, heading: str) -> None:
    found = orders(
        tmp_path, ONE.replace("Абая", "+77020000002;Абая"), heading=CABINET.replace("Телефон", f"{heading};{heading}")
    )
    with pytest.raises(Exception, match="more than once"):
        list(found)


@pytest.mark.parametrize(
    ("document", "order_id"),
    [
        ("Заказ покупателя 15-А от 03.03.2025", "15-А"),
        ("Заказ покупателя 0000-000124 03.03.2025", "0000-000124"),
        ("0000-000123 (03.03.2025 9:15:00) 12", "0000-000123"),
        ("Заказ покупателя № КА-7 от 03.03.2025 9:15", "КА-7"),
        ("000000017", "000000017"),
        ("Заказ покупателя от 03.03.2025", None),
        ("Заказ от 03.03.2025 9:15", None),
    ],
)
def test_no_date_is_the_id_of_a_document(tmp_path: Path, document: str, order_id: str | None) -> None:
    heading = "Документ;Контрагент;Телефон;Адрес доставки;Вес;Сумма"
    found = orders(tmp_path, f"{document};Ива;87010000013;Абая 1;0,5;1000", heading=heading, preset="1c")
    assert valid(found) == ([] if order_id is None else [order_id])


@pytest.mark.parametrize(
    ("preset", "heading", "row"),
    [
        (
            "shopify",
            "Name;Shipping City;Shipping Street;Shipping Name;Phone;Lineitem name;Lineitem quantity;Total;Currency",
            "#1;Almaty;Abay 1;A;+77010000001;x;1;250;USD",
        ),
        (
            "opencart",
            "order_id;telephone;customer;shipping_address;weight;total;currency_code",
            "1;+77010000001;A;Abay 1;1;250;USD",
        ),
    ],
)
def test_another_currency_is_no_tenge(tmp_path: Path, preset: str, heading: str, row: str) -> None:
    mapping = {"preset": preset, "defaults": {"parcel.weightGrams": "500"}}
    assert valid(orders(tmp_path, row, heading=heading, **mapping)) == []
    assert len(valid(orders(tmp_path, row.replace("USD", "KZT"), heading=heading, **mapping))) == 1


def test_a_long_mapping_is_refused_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text("# " + "я" * 600_000)
    with pytest.raises(ConfigurationError, match="is longer than 1048576 bytes"):
        load_mapping(path)


def test_a_constant_may_be_written_as_a_cell_is(tmp_path: Path) -> None:
    heading, row = CABINET.replace(";Сумма", ""), ONE.replace(";1000", "")
    path = tmp_path / "o.csv"
    path.write_text(f"{heading}\n{row}")
    (line,) = read_orders(path, mapping={**KEEPING, "constants": {**PICKUP, "parcel.valueKzt": "18000,00"}})
    assert isinstance(line.order, DeliveryRequest)
    assert line.order.parcel.value_kzt == 18000


def test_a_rule_of_ones_own_replaces_the_presets_whichever_of_its_columns_it_names(tmp_path: Path) -> None:
    rule = {"column": ["Статус", "Этап"], "values": ["Собственный"]}
    assert valid(orders(tmp_path, ONE.replace("Новый", "Собственный"), preset="kaspi-cabinet", keep=[rule])) == ["1"]
