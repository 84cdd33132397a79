"""Cells of order files: what spreadsheets and people write into them."""

import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import DeliveryRequest, InvalidRequestError
from kaspi_delivery_async.bulk import read_orders
from kaspi_delivery_async.models import to_dict, to_json
from kaspi_delivery_async.order_files.fields.cells import cell_problem, cell_value
from kaspi_delivery_async.order_files.fields.columns import COLUMNS
from tests.support.order_files import ROW, write_rows
from tests.support.orders import order

VALUE = next(column for column in COLUMNS if column.path == "parcel.valueKzt")


@pytest.mark.parametrize("cell", ["18000,00", "18000.00", "18000.0", "15400.0000", "18000,0", "-0.00"])
def test_a_fraction_of_zero_is_no_fraction(tmp_path: Path, cell: str) -> None:
    (line,) = read_orders(write_rows(tmp_path / "o.csv", [{**ROW, "parcel.valueKzt": cell}]))
    assert isinstance(line.order, DeliveryRequest)
    assert line.order.parcel.value_kzt == int(float(cell.replace(",", ".")))


def test_a_fraction_of_zero_behind_groups_is_read_where_groups_are(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "o.csv", [{**ROW, "parcel.valueKzt": "118\xa0990,00"}])
    (line,) = read_orders(source, grouped_numbers=True)
    assert isinstance(line.order, DeliveryRequest)
    assert line.order.parcel.value_kzt == 118990


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ("18000,50", "the number has decimals"),
        ("18,000", "can be read as 18 or as 18000"),
        ("18.000", "can be read as 18 or as 18000"),
        ("18000,", "expected a whole number"),
        (",00", "expected a whole number"),
        ("18,000,000", "expected a whole number"),
    ],
)
def test_a_number_that_may_mean_another_is_refused(tmp_path: Path, cell: str, named: str) -> None:
    (line,) = read_orders(write_rows(tmp_path / "o.csv", [{**ROW, "parcel.valueKzt": cell}]))
    assert isinstance(line.order, InvalidRequestError)
    assert "line 2: column parcel.valueKzt: " in str(line.order)
    assert named in str(line.order)


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.sampled_from(["", ",0", ".00", ",0000"]))
def test_every_whole_number_is_read_as_itself(number: int, fraction: str) -> None:
    assert cell_problem(f"{number}{fraction}", VALUE, grouped_numbers=False) is None
    assert cell_value(f"{number}{fraction}", VALUE) == number


@given(st.text("0123456789,. -\N{NO-BREAK SPACE}", max_size=12))
def test_no_number_is_read_as_one_with_other_digits(text: str) -> None:
    if text and cell_problem(text, VALUE, grouped_numbers=True) is None:
        digits = text.partition(",")[0].partition(".")[0]
        assert str(cell_value(text, VALUE)).lstrip("-0") == digits.replace(" ", "").replace("\xa0", "").lstrip("-0")


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"dropoff.contact.phone": "#N/A"}, "column dropoff.contact.phone: is the spreadsheet error #N/A"),
        ({"dropoff.contact.phone": "#Н/Д"}, "column dropoff.contact.phone: is the spreadsheet error #Н/Д"),
        ({"pickup.contact.phone": "#ССЫЛКА!"}, "column pickup.contact.phone: is the spreadsheet error #ССЫЛКА!"),
        ({"dropoff.contact.phone": "0"}, "column dropoff.contact.phone: is no phone number"),
        ({"dropoff.contact.phone": "-"}, "column dropoff.contact.phone: is no phone number"),
        ({"dropoff.contact.phone": "0000000"}, "column dropoff.contact.phone: is no phone number"),
        ({"dropoff.address": "#REF!"}, "column dropoff.address: is the spreadsheet error #REF!"),
        ({"parcel.weightGrams": "#ДЕЛ/0!"}, "column parcel.weightGrams: is the spreadsheet error #ДЕЛ/0!"),
        ({"dropoff.notes": "#######"}, "column dropoff.notes: is the spreadsheet error #######"),
        ({"externalOrderId": "4,10000001E+11"}, "column externalOrderId: a spreadsheet has rounded it"),
    ],
)
def test_what_a_spreadsheet_has_ruined_is_refused(tmp_path: Path, cells: Mapping[str, str], named: str) -> None:
    (line,) = read_orders(write_rows(tmp_path / "o.csv", [{**ROW, **cells}]))
    assert isinstance(line.order, InvalidRequestError)
    assert str(line.order).startswith("o.csv, line 2: ")
    assert named in str(line.order)


@pytest.mark.parametrize(
    "cells",
    [
        {"dropoff.contact.phone": "8 (701) 000-00-00, внутр. 12"},
        {"dropoff.contact.phone": "112"},
        {"externalOrderId": "#1001"},
        {"externalOrderId": "E-7"},
        {"dropoff.notes": "-"},
    ],
)
def test_other_texts_pass_as_they_are(tmp_path: Path, cells: Mapping[str, str]) -> None:
    (line,) = read_orders(write_rows(tmp_path / "o.csv", [{**ROW, **cells}]))
    assert isinstance(line.order, DeliveryRequest)


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"parcel.weightGrams": "0"}, "column 'Вес' (parcel.weightGrams): must be at least 1 gram"),
        ({"parcel.weightGrams": "-5"}, "column 'Вес' (parcel.weightGrams): must be at least 1 gram"),
        ({"parcel.valueKzt": "-1"}, "column parcel.valueKzt: must not be negative"),
        ({"dropoff.contact.phone": "8,7010E+10"}, "column dropoff.contact.phone: a spreadsheet has rounded it"),
        ({"dropoff.contact.name": "\u200b"}, "column dropoff.contact.name: must not be empty or blank"),
    ],
)
def test_what_no_order_may_hold_is_named_by_line_and_column(
    tmp_path: Path, cells: Mapping[str, str], named: str
) -> None:
    source = write_rows(tmp_path / "o.csv", [{**ROW, **cells}])
    source.write_text(source.read_text().replace("parcel.weightGrams", "Вес"))
    (line,) = read_orders(source, columns={"Вес": "parcel.weightGrams"})
    assert isinstance(line.order, InvalidRequestError)
    assert str(line.order).startswith(f"o.csv, line 2: {named}")


def test_an_unknown_field_of_a_json_line_is_refused(tmp_path: Path) -> None:
    values = to_dict(order())
    values["dropoff"]["note"] = "ring"
    path = tmp_path / "o.jsonl"
    path.write_text(json.dumps(values))
    (line,) = read_orders(path)
    assert str(line.order).startswith("o.jsonl, line 1: $.dropoff.note: ")


def test_an_order_id_of_a_file_is_in_its_canonical_form(tmp_path: Path) -> None:
    rows = [{**ROW, "externalOrderId": order_id} for order_id in ("Зай-7/ё", unicodedata.normalize("NFD", "Зай-7/ё"))]
    orders = [line.order for line in read_orders(write_rows(tmp_path / "o.csv", rows))]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("mark", ["\u200b", "\u00ad", "\ufeff", "\u2060", "\u200e", "\u202e"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_invisible_character_in_an_order_id_is_refused_with_its_name(tmp_path: Path, mark: str, form: str) -> None:
    path = tmp_path / f"o.{form}"
    if form == "csv":
        write_rows(path, [{**ROW, "externalOrderId": "B-7"}, {**ROW, "externalOrderId": f"B-7{mark}"}])
    else:
        path.write_bytes(to_json(order("B-7")) + b"\n" + to_json(order("B-7")).replace(b"B-7", f"B-7{mark}".encode()))
    first, second = read_orders(path)
    assert isinstance(first.order, DeliveryRequest)
    assert str(second.order).startswith(second.place)
    assert f"(U+{ord(mark):04X} {unicodedata.name(mark)}) as its character 4" in str(second.order)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="000017"', "000017"),
        ('=" 17 "', "17"),
        ("'+77010000009", "+77010000009"),
        ("'050051", "050051"),
        ("'s-Gravenhage", "'s-Gravenhage"),
        ("\N{NO-BREAK SPACE}Abay\N{NO-BREAK SPACE}", "Abay"),
        ("Серик &amp; Ко, &quot;Меркур&quot; &#8470;1", 'Серик & Ко, "Меркур" №1'),
        ("AT&T; R&D", "AT&T; R&D"),
        ("&unknown;", "&unknown;"),
    ],
)
def test_the_marks_of_spreadsheets_and_web_pages_are_taken_off(tmp_path: Path, cell: str, text: str) -> None:
    (line,) = read_orders(write_rows(tmp_path / "o.csv", [{**ROW, "dropoff.address": cell}]))
    assert isinstance(line.order, DeliveryRequest)
    assert line.order.dropoff.address == text


def test_what_a_spreadsheet_leaves_out_at_the_end_of_a_row_is_empty(tmp_path: Path) -> None:
    names = [*(name for name in ROW if name != "dropoff.notes"), "dropoff.notes"]
    path = tmp_path / "o.csv"
    short = ",".join(f'"{ROW[name]}"' for name in names[:-1])
    path.write_text(f"{','.join(names)}\n{short}\n{short.rpartition(',')[0]}\n")
    first, second = read_orders(path)
    assert isinstance(first.order, DeliveryRequest)
    assert first.order.dropoff.notes is None
    assert "has 10 cells, and the header has 12" in str(second.order)


@pytest.mark.parametrize("above", ["sep=;\n", "Отчёт, март 2025\n\n", ";;;\nВыгрузка;от 03.03.2025\n"])
def test_the_heading_may_stand_below_other_rows(tmp_path: Path, above: str) -> None:
    path = write_rows(tmp_path / "o.csv", [ROW], delimiter=";")
    path.write_text(above + path.read_text())
    (line,) = read_orders(path)
    assert isinstance(line.order, DeliveryRequest)
    assert line.place == f"o.csv, line {above.count(chr(10)) + 2}"


def test_a_row_that_is_too_long_is_refused_and_a_heading_is_not_looked_for_forever(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "o.csv", [ROW])
    path.write_text(path.read_text().rstrip("\r\n") + ",\n")
    (line,) = read_orders(path)
    assert "has 13 cells, and the header has 12" in str(line.order)
    path.write_text("a,b\n" * 150)
    with pytest.raises(InvalidRequestError, match=r"o\.csv, line 1: column 1 \('a'\) is no field of an order"):
        list(read_orders(path))
