"""Mappings at work: fields from columns, rows left out, and several rows that are one order."""

import csv
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import ConfigurationError, DeliveryRequest, InvalidRequestError, StorageError
from kaspi_delivery_async.order_files import Line, OrderFile, read_orders
from kaspi_delivery_async.order_files.mapping.definition import numbers
from tests.order_files.shops import PICKUP
from tests.support.workbooks import sheet_xml, write_workbook

COLUMNS = {
    "externalOrderId": "Номер",
    "dropoff.address": "Адрес",
    "dropoff.contact.name": "Имя",
    "dropoff.contact.phone": "Телефон",
    "parcel.description": "Товар",
    "parcel.weightGrams": "Вес",
    "parcel.valueKzt": "Сумма",
}
NAMES = [*COLUMNS.values(), "Кол-во", "Статус"]
ROW = ["A-7", "Абая 1", "Дана", "+7 701 000 0001", "Сумка", "800", "18000", "1", "Новый"]
GROUP: Mapping[str, Any] = {"by": "externalOrderId"}


def row(**cells: str) -> list[str]:
    named = {
        "number": 0,
        "address": 1,
        "name": 2,
        "phone": 3,
        "article": 4,
        "weight": 5,
        "value": 6,
        "count": 7,
        "status": 8,
    }
    changed = list(ROW)
    for name, cell in cells.items():
        changed[named[name]] = cell
    return changed


def opened(path: Path, rows: Sequence[Sequence[str]], names: Sequence[str] = NAMES, **mapping: Any) -> OrderFile:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([names, *rows])
    columns = {**COLUMNS, **mapping.pop("columns", {})}
    return read_orders(path, mapping={"columns": columns, "constants": PICKUP, **mapping})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "o.csv"


def good(orders: OrderFile) -> DeliveryRequest:
    (line,) = orders
    assert isinstance(line.order, DeliveryRequest), line.order
    return line.order


def problem(orders: OrderFile) -> str:
    (line,) = orders
    assert isinstance(line.order, InvalidRequestError)
    return str(line.order)


@pytest.mark.parametrize(
    ("source", "cells", "address"),
    [
        (["Город", "Адрес"], {"Город": "Алматы"}, "Алматы, Абая 1"),
        (["Город", "Адрес"], {"Город": ""}, "Абая 1"),
        (["Город", "Адрес"], {"Город": "алматы", "Адрес": "Алматы, Абая 1"}, "Алматы, Абая 1"),
        (["Город", "Адрес"], {"Город": "Абай", "Адрес": "Абайская 1"}, "Абай, Абайская 1"),
        ({"columns": ["Город", "Адрес"], "join": "; "}, {"Город": "Алматы"}, "Алматы; Абая 1"),
        ({"columns": [["Улица", "Адрес"], "Город"]}, {"Город": "Алматы"}, "Абая 1, Алматы"),
        ({"first": ["Город", "Адрес"]}, {"Город": ""}, "Абая 1"),
        ({"column": "Город", "pattern": r"ул\. (\S+)"}, {"Город": "г. Алматы, ул. Абая"}, "Абая"),
        ({"column": "Город", "pattern": r"\d+"}, {"Город": "дом 17"}, "17"),
        ("город ", {"Город": "Алматы"}, "Алматы"),
    ],
)
def test_a_field_comes_from_its_columns(path: Path, source: object, cells: Mapping[str, str], address: str) -> None:
    values = [cells.get(name, cell) for name, cell in zip(NAMES, ROW, strict=True)]
    orders = opened(path, [[*values, cells["Город"]]], [*NAMES, "Город"], columns={"dropoff.address": source})
    assert good(orders).dropoff.address == address


def test_names_are_joined_by_a_blank(path: Path) -> None:
    orders = opened(path, [[*ROW, "О."]], [*NAMES, "Фамилия"], columns={"dropoff.contact.name": ["Имя", "Фамилия"]})
    assert good(orders).dropoff.contact.name == "Дана О."


def test_a_pattern_that_does_not_match_is_refused(path: Path) -> None:
    columns = {"externalOrderId": {"column": "Номер", "pattern": r"№ (\S+)"}}
    assert "column 'Номер' (externalOrderId): does not match the pattern" in problem(
        opened(path, [ROW], columns=columns)
    )
    columns = {"parcel.valueKzt": {"column": "Сумма", "pattern": r"(\d+) ₸"}}
    assert "(parcel.valueKzt): does not match the pattern" in problem(opened(path, [ROW], columns=columns))


@pytest.mark.parametrize(
    ("text", "unit", "grams"),
    [
        ("0,250", "kg", 250),
        ("0.80000000", "kg", 800),
        ("2,500", "kg", 2500),
        ("1", "kg", 1000),
        ("0,25 кг", None, 250),
        ("920 г", "kg", 920),
        ("1 200", None, 1200),
        ("1,200.5 g", None, 1200.5),
    ],
)
def test_a_weight_is_in_its_unit(path: Path, text: str, unit: str | None, grams: float) -> None:
    units: dict[str, Any] = {} if unit is None else {"units": {"parcel.weightGrams": unit}}
    orders = opened(path, [row(weight=text)], **units)
    if grams == int(grams):
        assert good(orders).parcel.weight_grams == grams
    else:
        assert "the number has decimals" in problem(orders)


@pytest.mark.parametrize(
    ("text", "tenge"),
    [
        *[("118 990,00", 118990), ("118\xa0990,00", 118990), ("118\u202f990", 118990), ("18000.00", 18000)],
        *[("15400.0000", 15400), ("12 000 ₸", 12000), ("KZT 12,000.00", 12000), ("1.234.567", 1234567), ("0", 0)],
        *[("1.234,00 тг", 1234), ("0,000", 0)],
    ],
)
def test_a_sum_is_read_as_it_is_written(path: Path, text: str, tenge: int) -> None:
    assert good(opened(path, [row(value=text)])).parcel.value_kzt == tenge


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("18,000", "can be read as 18 or as 18000"),
        ("18.990", "can be read as 18 or as 18000"),
        ("18000,50", "the number has decimals; correct it, or say in the mapping how to round it"),
        ("18 00", "its digits are in odd groups"),
        ("1 234.567.890", "it has three kinds of separators"),
        ("18 000 $", "expected a number, such as 18000 or 18 990,00, and no other text"),
        ("много", "expected a number, such as 18000"),
        ("18,", "expected a number"),
        ("-5", "must not be negative"),
        ("1" * 19, "the number is too large"),
        ("1," + "0" * 36, "expected a number"),
        ("#Н/Д", "is the spreadsheet error #Н/Д"),
        ("", "is empty"),
    ],
)
def test_a_sum_that_could_be_another_is_refused(path: Path, text: str, named: str) -> None:
    assert named in problem(opened(path, [row(value=text)]))


@pytest.mark.parametrize(("rule", "tenge"), [("up", 10000), ("down", 9999), ("nearest", 10000)])
def test_a_fraction_is_rounded_as_the_mapping_says(path: Path, rule: str, tenge: int) -> None:
    orders = opened(path, [row(value="9999,50")], rounding={"parcel.valueKzt": rule})
    assert good(orders).parcel.value_kzt == tenge


@given(st.integers(0, 10**9), st.sampled_from([" ", "\xa0", ""]), st.sampled_from(["", ",00", ".0", ",0000"]))
def test_a_number_in_groups_is_the_number(number: int, blank: str, fraction: str) -> None:
    assert numbers.number(f"{number:,}".replace(",", blank) + fraction, "parcel.valueKzt", None) == number


def test_rows_of_one_order_are_gathered_wherever_they_stand(path: Path) -> None:
    rows = [ROW, row(number="B-8"), row(article="Пояс", weight="100", value="2000", address="", name="", phone="")]
    first, second = opened(path, rows, group=GROUP)
    assert isinstance(first.order, DeliveryRequest)
    assert (first.place, second.place) == ("o.csv, lines 2, 4", "o.csv, line 3")
    parcel = first.order.parcel
    assert (parcel.description, parcel.weight_grams, parcel.value_kzt) == ("Сумка, Пояс", 900, 20000)


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"address": "Абая 2"}, "dropoff.address differs between lines 2 and 3"),
        ({"phone": "+7 701 000 0002"}, "dropoff.contact.phone differs between lines 2 and 3"),
        ({"weight": "много"}, "line 3, column 'Вес' (parcel.weightGrams): expected a number"),
        (
            {"status": "Отменён"},
            "line 3 would be left out (Статус: Отменён), and the rest would not; half an order is never",
        ),
    ],
)
def test_half_an_order_is_never_sent(path: Path, cells: Mapping[str, str], named: str) -> None:
    skip = [{"column": "Статус", "values": ["отменен"]}]
    second = row(**{"weight": "100", "value": "200", **cells})
    text = problem(opened(path, [ROW, second], group=GROUP, skip=skip))
    assert text.startswith("o.csv, lines 2, 3: ")
    assert named in text


def test_what_is_written_differently_may_be_the_same(path: Path) -> None:
    second = row(address="АБАЯ  1", phone="8 (701) 000-00-01", weight="100", value="200", article="Сумка")
    assert good(opened(path, [ROW, second], group=GROUP)).parcel.description == "Сумка"


def test_a_row_that_is_no_row_takes_its_order_with_it(path: Path) -> None:
    path.write_text("")
    orders = opened(path, [ROW, row(number="B-8")], group=GROUP)
    path.write_text(path.read_text() + "A-7;слишком;мало\r\n")
    first, second = orders
    assert "line 4: has 3 cells, and the header has 9" in str(first.order)
    assert isinstance(second.order, DeliveryRequest)
    path.write_text(path.read_text().replace("A-7;слишком;мало", '"A-7"x'))
    assert "B-8" not in str(list(orders)[1].order)
    assert "line 4: cannot be read as CSV" in str(list(orders)[1].order)


def test_a_row_without_an_order_id_may_belong_to_the_order_above(path: Path) -> None:
    text = problem(opened(path, [ROW, row(number="", article="Пояс")], group=GROUP))
    assert "line 3: has no order id, so it may be an article of the order above" in text


def test_a_first_row_without_an_order_id_is_refused(path: Path) -> None:
    first, second = opened(path, [row(number=""), ROW])
    assert str(first.order) == "o.csv, line 2: has no order id"
    assert isinstance(second.order, DeliveryRequest)


def test_rows_that_say_nothing_of_an_order_are_no_orders(path: Path) -> None:
    rows = [ROW, ["", "", "", "", "", "", "", "7", ""], row(number="", status="Отменён")]
    orders = opened(path, rows, skip=[{"column": "Статус", "values": ["Отменён"]}])
    good(orders)
    assert [(left.reason, left.named) for left in orders.left_out] == [("Статус: Отменён", ["line 4"])]


@pytest.mark.parametrize(
    "cells", [{"number": "Итого:"}, {"number": "", "article": "Всего по заказам"}, {"number": "TOTAL"}]
)
def test_a_total_is_left_out(path: Path, cells: Mapping[str, str]) -> None:
    orders = opened(path, [ROW, row(**{"address": "", "name": "", "phone": "", "article": "", **cells})])
    good(orders)
    assert [left.reason for left in orders.left_out] == ["total"]


def test_an_order_id_may_look_like_a_total(path: Path) -> None:
    assert good(opened(path, [row(number="TOTAL-1")])).external_order_id == "TOTAL-1"


def test_one_id_on_two_rows_needs_a_group(path: Path) -> None:
    text = problem(opened(path, [ROW, row(article="Пояс")]))
    assert "o.csv, lines 2, 3: they have the same order id; if they are the articles of one order" in text


def test_many_rows_of_one_order_are_named_up_to_a_point(path: Path) -> None:
    (line,) = opened(path, [ROW] * 25)
    assert line.place.endswith(", 20, 21 and 5 more")


def test_rows_are_counted_by_what_the_mapping_says_of_each_number(path: Path) -> None:
    rows = [row(count="2"), row(article="Пояс", weight="100", count="3")]
    orders = opened(path, rows, group={**GROUP, "quantity": "Кол-во", "once": ["parcel.valueKzt"]})
    assert (good(orders).parcel.weight_grams, good(orders).parcel.value_kzt) == (1900, 18000)
    orders = opened(path, rows, group={**GROUP, "quantity": ["Количество", "Кол-во"], "sum": ["parcel.valueKzt"]})
    assert good(orders).parcel.value_kzt == 36000


def test_a_sum_that_may_be_that_of_the_whole_order_is_asked_about(path: Path) -> None:
    rows = [ROW, row(article="Пояс", weight="100")]
    assert (
        "is the same on all 2 rows, so it may be that of the whole order; say in the mapping which it is: [group] once"
        in (problem(opened(path, rows, group=GROUP)))
    )
    assert good(opened(path, rows, group={**GROUP, "sum": ["parcel.valueKzt"]})).parcel.value_kzt == 36000


def test_a_sum_that_is_said_to_be_the_same_must_be(path: Path) -> None:
    rows = [ROW, row(article="Пояс", weight="100", value="17000")]
    text = problem(opened(path, rows, group={**GROUP, "once": ["parcel.valueKzt"]}))
    assert "differs between the rows of the order, though the mapping says that it is the same" in text


@pytest.mark.parametrize("count", ["", "0", "много"])
def test_a_quantity_is_needed_where_it_counts(path: Path, count: str) -> None:
    group = {**GROUP, "quantity": "Кол-во", "once": ["parcel.valueKzt"]}
    assert "needs the quantity of line 2" in problem(opened(path, [row(count=count)], group=group))


def test_a_default_stands_in_for_an_empty_cell_or_for_all_of_an_order(path: Path) -> None:
    rows = [ROW, row(article="Пояс", weight="", value="2000")]
    defaults = {"parcel.weightGrams": "500", "parcel.description": "Товары"}
    assert good(opened(path, rows, group=GROUP, defaults=defaults)).parcel.weight_grams == 1300
    (line,) = opened(path, rows, group=GROUP)
    assert isinstance(line.order, DeliveryRequest)
    assert line.warnings == ("parcel.weightGrams is empty on line 3, and counts as 0 there",)
    empty = [row(weight="", article=""), row(weight="", value="2000", article="")]
    found = good(opened(path, empty, group=GROUP, defaults=defaults)).parcel
    assert (found.weight_grams, found.description) == (500, "Товары")


def test_only_what_is_kept_goes_and_a_new_status_is_named(path: Path) -> None:
    rows = [
        ROW,
        row(number="B-1", status="Отменён"),
        row(number="B-2", status="Отклонён"),
        row(number="B-3", status=""),
    ]
    rules: dict[str, Any] = {
        "skip": [{"column": "Статус", "values": ["отменен"]}],
        "keep": [{"column": "Статус", "values": ["Новый"]}, {"column": "Статус", "pattern": "^Принят"}],
    }
    orders = opened(path, rows, **rules)
    good(orders)
    assert [(left.reason, left.is_expected, left.count, left.named) for left in orders.left_out] == [
        ("Статус: Отменён", True, 1, ["B-1 (line 3)"]),
        ("Статус: Отклонён, which the mapping neither keeps nor skips", False, 1, ["B-2 (line 4)"]),
        ("Статус: empty, which the mapping neither keeps nor skips", False, 1, ["B-3 (line 5)"]),
    ]


def test_any_text_may_be_what_leaves_a_row_out(path: Path) -> None:
    rows = [row(status=""), row(number="B-1", status="2025-03-01")]
    orders = opened(path, rows, skip=[{"column": ["Дата отмены", "Статус"], "filled": True}])
    assert good(orders).external_order_id == "A-7"


@pytest.mark.parametrize("name", ["isKaspiDelivery", "Kaspi Доставка"])
def test_an_order_that_kaspi_delivers_itself_is_never_ordered(path: Path, name: str) -> None:
    rows = [[*ROW, "Нет"], [*row(number="B-1"), "TRUE"], [*row(number="B-2"), "Да"], [*row(number="B-3"), ""]]
    orders = opened(path, rows, [*NAMES, name])
    assert [line.order.external_order_id for line in orders if isinstance(line.order, DeliveryRequest)] == [
        "A-7",
        "B-3",
    ]
    assert {left.reason for left in orders.left_out} == {f"{name}: TRUE", f"{name}: Да"}


def test_reasons_are_counted_up_to_a_point(path: Path) -> None:
    rows = [row(number=f"n-{number}", status=f"status {number}") for number in range(130)]
    orders = opened(path, rows, keep=[{"column": "Статус", "values": ["Новый"]}])
    assert list(orders) == []
    assert (len(orders.left_out), orders.left_out[-1].reason, orders.left_out[-1].count) == (101, "other reasons", 30)
    assert len(orders.left_out[-1].named) == 20


def test_columns_that_are_missing_are_named_with_those_that_are_there(path: Path) -> None:
    rules: dict[str, Any] = {
        "skip": [{"column": "Статус заказа", "filled": True}],
        "group": {"by": "Отправление", "quantity": "Штук"},
        "columns": {"externalOrderId": "ID"},
    }
    with pytest.raises(InvalidRequestError) as refused:
        list(opened(path, [ROW], **rules))
    text = str(refused.value)
    assert text.startswith(
        "o.csv, line 1: the file has no column 'ID', 'Статус заказа', 'Штук', 'Отправление' (named in the "
    )
    assert "its columns: 'Номер', 'Адрес'" in text


def test_a_field_whose_column_may_be_missing_is_needed_all_the_same(path: Path) -> None:
    columns = {"parcel.weightGrams": {"column": "Масса", "optional": True}}
    with pytest.raises(
        InvalidRequestError, match=r"no column for parcel\.weightGrams, and the mapping has no constant"
    ):
        list(opened(path, [ROW], columns=columns))
    columns["externalOrderId"] = {"column": "ID", "optional": True}
    with pytest.raises(InvalidRequestError, match=r"the file has no column 'ID'"):
        list(opened(path, [ROW], columns=columns))


def test_a_column_that_is_there_twice_must_be_named_apart(tmp_path: Path, path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"the heading has 'Имя' more than once"):
        list(opened(path, [[*ROW, "x"]], [*NAMES, "Имя"]))
    sheet = sheet_xml(
        [[*NAMES[:2], "Покупатель", None, *NAMES[4:], "Склад"], [None, None, "Имя", "Телефон", *[None] * 5, "Имя"], ROW]
    )
    book = write_workbook(tmp_path / "o.xlsx", {"Заказы": sheet})
    with pytest.raises(InvalidRequestError, match=r"such as 'Покупатель' / 'Имя'"):
        list(read_orders(book, mapping={"columns": COLUMNS, "constants": PICKUP}))
    columns = {**COLUMNS, "dropoff.contact.name": "Покупатель / Имя"}
    assert good(read_orders(book, mapping={"columns": columns, "constants": PICKUP})).dropoff.contact.name == "Дана"


def test_rows_below_a_merged_order_id_belong_to_it(tmp_path: Path) -> None:
    rows = [NAMES, ROW, row(number="", article="Пояс", value="100"), row(number="", article="Шарф", value="200")]
    path = write_workbook(tmp_path / "o.xlsx", rows, merged=["A2:A3"])
    text = problem(read_orders(path, mapping={"columns": COLUMNS, "constants": PICKUP, "group": GROUP}))
    assert text.startswith("o.xlsx, rows 2, 3, 4: row 4: has no order id")
    path = write_workbook(tmp_path / "o.xlsx", rows, merged=["A2:A4"])
    group = {**GROUP, "sum": ["parcel.weightGrams"]}
    order = good(read_orders(path, mapping={"columns": COLUMNS, "constants": PICKUP, "group": group}))
    assert (order.parcel.description, order.parcel.value_kzt) == ("Сумка, Пояс, Шарф", 18300)


def test_an_order_may_be_grouped_by_another_column(path: Path) -> None:
    rows = [[*ROW, "9"], [*row(article="Пояс", weight="1", value="1"), "9"], [*row(number="B-1"), "10"]]
    lines = list(opened(path, rows, [*NAMES, "Отправление"], group={"by": "Отправление"}))
    assert [line.place for line in lines] == ["o.csv, lines 2, 3", "o.csv, line 4"]


def test_ids_that_look_alike_are_refused_unless_the_mapping_says_otherwise(path: Path) -> None:
    rows = [ROW, row(number="А-7")]  # with a Cyrillic letter
    assert "looks like that of o.csv, line 2" in str(list(opened(path, rows))[1].order)
    lines = list(opened(path, rows, ids={"allow_look_alikes": True}))
    assert all(isinstance(line.order, DeliveryRequest) for line in lines)


def test_the_file_may_be_described_where_it_cannot_be_found_out(tmp_path: Path, path: Path) -> None:
    opened(path, [["Номер", "Адрес"], NAMES, ROW])
    path.write_bytes(path.read_text().replace("Дана", "Дәна").encode("kz1048"))
    described = {"heading_row": 3, "encoding": "kz1048", "delimiter": ";"}
    orders = read_orders(path, mapping={"columns": COLUMNS, "constants": PICKUP, "file": described})
    assert good(orders).dropoff.contact.name == "Дәна"
    sheets = {"Март": sheet_xml([NAMES, ROW]), "Апрель": sheet_xml([["Отчёт"], NAMES, row(number="B-8")])}
    book = write_workbook(tmp_path / "o.xlsx", sheets)
    for sheet, number in (("Март", "A-7"), ("Апрель", "B-8")):
        mapping = {"columns": COLUMNS, "constants": PICKUP, "file": {"sheet": sheet}}
        assert good(read_orders(book, mapping=mapping)).external_order_id == number
    with pytest.raises(InvalidRequestError, match="has no sheet 'Май'; its sheets: 'Март', 'Апрель'"):
        list(read_orders(book, mapping={"columns": COLUMNS, "constants": PICKUP, "file": {"sheet": "Май"}}))
    with pytest.raises(InvalidRequestError, match=r"row 1: the file has no column 'Номер'"):
        list(
            read_orders(
                book, mapping={"columns": COLUMNS, "constants": PICKUP, "file": {"sheet": "Апрель", "heading_row": 1}}
            )
        )


def test_what_is_doubtful_is_said_with_its_line(tmp_path: Path) -> None:
    sheet = sheet_xml([NAMES, row(name="?лем")]).replace('<row r="2">', '<row r="2" hidden="1">')
    (line,) = read_orders(
        write_workbook(tmp_path / "o.xlsx", {"Заказы": sheet}), mapping={"columns": COLUMNS, "constants": PICKUP}
    )
    assert line == Line(
        place="o.xlsx, row 2",
        order=line.order,
        warnings=("row 2: a letter was probably lost, leaving a ? inside a word", "row 2 is hidden in the sheet"),
    )


@pytest.mark.parametrize(
    ("phone", "sent"),
    [("8 (701) 000-00-01", "+77010000001"), ("+7 701 000 00 01", "+77010000001"), ("+996 555 123456", "+996555123456")],
)
def test_phones_are_sent_in_international_form_where_the_mapping_names_a_country(
    path: Path, phone: str, sent: str
) -> None:
    assert good(opened(path, [row(phone=phone)], phones={"country": "KZ"})).dropoff.contact.phone == sent
    assert good(opened(path, [row(phone=phone)])).dropoff.contact.phone == phone


@pytest.mark.parametrize(
    ("phone", "named"),
    [
        ("8701", "is no possible phone number of KZ"),
        ("2-50-00-01", "is no possible phone number of KZ"),
        ("+0 701 000", "is no phone"),
    ],
)
def test_an_impossible_phone_is_refused_where_the_mapping_names_a_country(path: Path, phone: str, named: str) -> None:
    assert f"column 'Телефон' (dropoff.contact.phone): {named}" in problem(
        opened(path, [row(phone=phone)], phones={"country": "kz"})
    )


def test_a_phone_country_needs_its_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "phonenumbers", None)
    with pytest.raises(ConfigurationError, match=r'pip install "kaspi-delivery-async\[phones\]"'):
        list(opened(path, [ROW], phones={"country": "KZ"}))


def test_ones_own_mapping_goes_over_the_preset(path: Path) -> None:
    names = [
        "Номер",
        "ФИО",
        "Телефон",
        "Город",
        "Адрес доставки",
        "Название товара",
        "Вес, г",
        "Итого",
        "Статус",
        "Количество",
    ]
    cells = ["7", "Дана", "+7 701 000 0001", "Алматы", "Абая 1", "Сумка", "800", "18000", "Новый", "1"]
    path.write_text("\n".join(";".join(line) for line in (names, cells, ["8", *cells[1:8], "Отклонён", "1"])))
    mapping: dict[str, Any] = {
        "preset": "insales",
        "columns": {"parcel.weightGrams": "Вес, г"},
        "constants": {**PICKUP, "dropoff.address": "Склад"},
        "group": {"sum": ["parcel.valueKzt"]},
        "keep": [{"column": "статус", "values": ["Новый"]}],
        "skip": [{"column": "Статус", "values": ["Брак"]}],
    }
    order = good(read_orders(path, mapping=mapping))
    assert (order.parcel.weight_grams, order.dropoff.address) == (800, "Склад")


def test_rows_are_kept_on_the_disk_and_a_full_one_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect

    def full(*arguments: Any, **options: Any) -> Any:
        database = real(*arguments, **options)
        database.execute("PRAGMA max_page_count = 4")
        return database

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(StorageError, match="the rows of this file cannot be kept until all are read"):
        list(opened(path, [row(number=f"n-{number}") for number in range(300)]))


def test_what_a_file_may_lack_asks_nothing_of_it(path: Path) -> None:
    rules: dict[str, Any] = {"keep": [{"column": "Склад", "values": ["1"], "optional": True}]}
    columns = {"dropoff.notes": {"column": "Адрес", "pattern": "(дом [0-9]*)?"}}
    assert good(opened(path, [ROW], columns=columns, **rules)).dropoff.notes is None
    assert list(opened(path, [])) == []


def test_what_is_wrong_with_a_constant_names_the_mapping(path: Path) -> None:
    columns = {field: name for field, name in COLUMNS.items() if field != "parcel.weightGrams"}
    opened(path, [ROW])
    mapping = {"columns": columns, "constants": {**PICKUP, "parcel.weightGrams": "0"}}
    assert "parcel.weightGrams (the mapping): must be at least 1 gram" in problem(read_orders(path, mapping=mapping))
