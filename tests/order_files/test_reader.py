"""Files and iterables of orders: what is read from them, and how bad input is refused."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async import ConfigurationError, DeliveryRequest, InvalidRequestError
from kaspi_delivery_async.bulk import Line, read_orders
from kaspi_delivery_async.models import from_dict, to_dict, to_json
from kaspi_delivery_async.order_files.fields.cells import cleaned
from kaspi_delivery_async.order_files.lines import as_lines
from kaspi_delivery_async.order_files.text_lines import LONGEST_LINE
from tests.support.order_files import HEADER, ROW, write_orders, write_rows
from tests.support.orders import order

GOOD = from_dict(
    DeliveryRequest,
    {
        "externalOrderId": "order-742",
        "pickup": {
            "address": "42 Dostyk Ave, Almaty",
            "contact": {"name": "Kaspi Pickup Hub", "phone": "+7 727 000 0000"},
        },
        "dropoff": {
            "address": "89 Satpayev St, Almaty",
            "contact": {"name": "Aigerim K.", "phone": "+7 701 000 0000"},
            "notes": "Call when outside",
        },
        "parcel": {"description": "Shoes, box", "weightGrams": 800, "valueKzt": 18000},
    },
)


def only(path: Path, **options: object) -> DeliveryRequest | InvalidRequestError:
    (line,) = read_orders(path, **options)  # type: ignore[arg-type]
    return line.order


def problem(path: Path, **options: object) -> str:
    found = only(path, **options)
    assert isinstance(found, InvalidRequestError)
    return str(found)


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(InvalidRequestError) as refused:
        list(read_orders(path, **options))  # type: ignore[arg-type]
    return str(refused.value)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    return tmp_path / "orders.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_whatever_its_delimiter_and_mark(csv_file: Path, delimiter: str, encoding: str) -> None:
    write_rows(csv_file, [ROW], delimiter=delimiter, encoding=encoding)
    assert only(csv_file) == only(csv_file, encoding=encoding) == GOOD


def test_what_a_kazakh_shops_excel_writes(tmp_path: Path) -> None:
    """`;`, Windows-1251, Cyrillic, `18 000` with a no-break space, own column names, an empty last row."""
    names = {
        "№ заказа": "externalOrderId",
        "Склад": "pickup.address",
        "Кладовщик": "pickup.contact.name",
        "Тел. склада": "pickup.contact.phone",
        "Адрес": "dropoff.address",
        "Получатель": "dropoff.contact.name",
        "Телефон": "dropoff.contact.phone",
        "Товар": "parcel.description",
        "Вес, г": "parcel.weightGrams",
        "Сумма": "parcel.valueKzt",
        "Менеджер": "",
    }
    row = "заказ-1;Достык 42;Склад;+7 727 000 0000;Сатпаева 89;Айгерим К.;+7 701 000 0000;Обувь;800;18\xa0000;Олжас"
    path = tmp_path / "заказы.csv"
    path.write_bytes("\r\n".join([";".join(names), row, ";" * 10, ""]).encode("windows-1251"))
    found = only(path, encoding="windows-1251", columns=names, grouped_numbers=True)
    assert isinstance(found, DeliveryRequest)
    assert (found.external_order_id, found.dropoff.contact.name) == ("заказ-1", "Айгерим К.")
    assert (found.parcel.weight_grams, found.parcel.value_kzt) == (800, 18000)


def test_json_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + to_json(GOOD) + b"\n\n" + to_json(GOOD) + b"\n")
    lines = list(read_orders(path))
    assert [line.place for line in lines] == ["orders.jsonl, line 1", "orders.jsonl, line 3"]
    assert [line.order for line in lines] == [GOOD, GOOD]


def test_a_wrong_json_line_is_named_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    values = to_dict(GOOD)
    del values["parcel"]["weightGrams"]
    path.write_text(f"{json.dumps(values)}\n{{\n{to_json(GOOD).decode()}\n")
    first, second, third = read_orders(path)
    assert str(first.order) == "orders.ndjson, line 1: $.parcel.weightGrams: is missing"
    assert "orders.ndjson, line 2: $: not JSON" in str(second.order)
    assert third.order == GOOD


def test_a_row_over_several_lines_is_named_by_its_first(csv_file: Path) -> None:
    write_rows(csv_file, [{**ROW, "dropoff.notes": "ring\ntwice"}, {**ROW, "parcel.weightGrams": "x"}])
    first, second = read_orders(csv_file)
    assert isinstance(first.order, DeliveryRequest)
    assert (first.order.dropoff.notes, first.place) == ("ring\ntwice", "orders.csv, line 2")
    assert second.place == "orders.csv, line 4"


def test_a_file_can_be_read_again(csv_file: Path) -> None:
    orders = read_orders(write_orders(csv_file, 3))
    assert list(orders) == list(orders)
    assert orders.position == orders.size == csv_file.stat().st_size


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"parcel.weightGrams": "0,8"}, "column parcel.weightGrams: the number has decimals"),
        ({"parcel.valueKzt": "18000.50"}, "column parcel.valueKzt: the number has decimals"),
        ({"parcel.valueKzt": "18 000"}, "column parcel.valueKzt: the number has blanks; allow them by"),
        ({"parcel.weightGrams": "800 г"}, "column parcel.weightGrams: expected a whole number"),
        ({"parcel.weightGrams": "9" * 19}, "column parcel.weightGrams: expected a whole number"),
        ({"dropoff.contact.phone": "  "}, "column dropoff.contact.phone: is empty"),
        ({"externalOrderId": "", "parcel.valueKzt": ""}, "externalOrderId: is empty; column parcel.valueKzt: is empty"),
    ],
)
def test_a_wrong_cell_is_named_with_what_was_expected(csv_file: Path, cells: Mapping[str, str], named: str) -> None:
    text = problem(write_rows(csv_file, [{**ROW, **cells}]))
    assert text.startswith("orders.csv, line 2: ")
    assert named in text


def test_a_problem_names_the_files_own_column_and_not_the_cell(csv_file: Path) -> None:
    write_rows(csv_file, [{**ROW, "parcel.weightGrams": "+7 701 000 0000"}])
    csv_file.write_text(csv_file.read_text().replace("parcel.weightGrams", "Вес"))
    text = problem(csv_file, columns={"Вес": "parcel.weightGrams"})
    assert "column 'Вес' (parcel.weightGrams): " in text
    assert "701" not in text


@pytest.mark.parametrize("number", ["18\xa0000", "18\u202f000", "18 000", "18000", " 18000 "])
def test_numbers_in_groups_are_read_where_allowed(csv_file: Path, number: str) -> None:
    found = only(write_rows(csv_file, [{**ROW, "parcel.valueKzt": number}]), grouped_numbers=True)
    assert isinstance(found, DeliveryRequest)
    assert found.parcel.value_kzt == 18000


@pytest.mark.parametrize("number", ["1 80 00", "18  000", "180 00", "1 8000"])
def test_blanks_elsewhere_are_no_grouping(csv_file: Path, number: str) -> None:
    assert "whole number" in problem(write_rows(csv_file, [{**ROW, "parcel.valueKzt": number}]), grouped_numbers=True)


def test_a_ragged_row_is_named_and_the_next_one_read(csv_file: Path) -> None:
    write_rows(csv_file, [ROW])
    good = csv_file.read_text().splitlines()[1]
    csv_file.write_text("\n".join([",".join(HEADER), "order-1,too,few", good]))
    ragged, following = read_orders(csv_file)
    assert "orders.csv, line 2: has 3 cells, and the header has 12" in str(ragged.order)
    assert following.order == GOOD


def test_what_is_no_csv_is_named_and_the_next_row_read(csv_file: Path) -> None:
    write_rows(csv_file, [ROW])
    good = csv_file.read_text().splitlines()[1]
    long_cell = "x" * 140_000
    csv_file.write_text("\n".join([",".join(HEADER), '"quoted"twice,', f"{long_cell},", good]))
    quoted, long, following = read_orders(csv_file)
    assert "orders.csv, line 2: cannot be read as CSV" in str(quoted.order)
    assert "orders.csv, line 3: cannot be read as CSV: field larger than field limit" in str(long.order)
    assert following.order == GOOD


def test_an_open_quote_is_named_with_the_lines_that_it_swallows(csv_file: Path) -> None:
    csv_file.write_text(f'{",".join(HEADER)}\n"order-1,\norder-2\n')
    text = problem(csv_file)
    assert text == "orders.csv, line 2: cannot be read as CSV: unexpected end of data; a quote is open up to line 3"


def test_an_empty_column_needs_no_name(csv_file: Path) -> None:
    """Excel writes delimiters behind the last column where cells were used once."""
    write_rows(csv_file, [ROW, ROW])
    header, good, other = csv_file.read_text().splitlines()
    csv_file.write_text(f"{header},,\n{good},,\n{other},,left over\n")
    first, second = read_orders(csv_file)
    assert first.order == GOOD
    assert str(second.order) == "orders.csv, line 3: a cell has no column name above it"


def test_letter_case_and_underscores_of_a_column_do_not_count(csv_file: Path) -> None:
    write_rows(csv_file, [ROW])
    text = csv_file.read_text().replace("externalOrderId", "EXTERNAL_ORDER_ID").replace("parcel.valueKzt", "Сумма")
    csv_file.write_text(text)
    assert only(csv_file, columns={"Сумма": " parcel.value_kzt"}) == GOOD


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_file_is_refused(csv_file: Path, content: str) -> None:
    csv_file.write_text(content)
    assert "orders.csv, line 1: the file is empty" in refusal(csv_file)


def test_an_empty_file_of_json_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.touch()
    assert refusal(path) == "orders.jsonl: is empty; expected one order as JSON on each line"


def test_missing_and_unknown_columns_are_named_at_once(csv_file: Path) -> None:
    csv_file.write_text("externalOrderId,Адрес,pickup.notes,PICKUP.NOTES\n")
    text = refusal(csv_file, columns={"Телефон": "dropoff.contact.phone", "externalOrderId": "order"})
    assert "line 1: the file has no column 'Телефон' (named in the mapping)" in text
    assert "column 1 ('externalOrderId'), mapped to 'order', is no field of an order" in text
    assert "column 2 ('Адрес') is no field of an order" in text
    assert "column 4 ('PICKUP.NOTES') is pickup.notes again" in text
    assert "missing columns: externalOrderId, pickup.address" in text
    assert "dropoff.notes" not in text


def test_a_header_that_is_no_csv_is_refused(csv_file: Path) -> None:
    csv_file.write_text('"a"b,c\n')
    assert "orders.csv, line 1: cannot be read as CSV" in refusal(csv_file)


def test_a_wrong_encoding_is_named_with_its_line(csv_file: Path) -> None:
    write_rows(csv_file, [ROW, {**ROW, "dropoff.contact.name": "Айгерим"}], encoding="windows-1251")
    text = refusal(csv_file, encoding="utf-8")
    assert text.startswith("orders.csv, line 3: is not utf-8 text (byte ")
    assert "windows-1251" in text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "windows-1251"])
def test_the_encoding_is_found(csv_file: Path, encoding: str) -> None:
    write_rows(csv_file, [ROW, {**ROW, "dropoff.contact.name": "Айгерим №1"}], encoding=encoding)
    first, second = read_orders(csv_file)
    assert first.order == GOOD
    assert isinstance(second.order, DeliveryRequest)
    assert second.order.dropoff.contact.name == "Айгерим №1"
    assert list(read_orders(csv_file, encoding=encoding)) == [first, second]


@pytest.mark.parametrize(("text", "encoding"), [("Айгерим", "cp866"), ("Әлем", "kz1048")])
def test_an_encoding_that_cannot_be_found_is_asked_for(csv_file: Path, text: str, encoding: str) -> None:
    write_rows(csv_file, [ROW, {**ROW, "dropoff.contact.name": text}], encoding=encoding)
    assert "line 3: its encoding cannot be found out" in refusal(csv_file)
    found = list(read_orders(csv_file, encoding=encoding))[1].order
    assert isinstance(found, DeliveryRequest)
    assert found.dropoff.contact.name == text


def test_text_that_is_utf_8_so_far_is_no_windows_1251(csv_file: Path) -> None:
    write_rows(csv_file, [{**ROW, "dropoff.contact.name": "Әлия"}])
    csv_file.write_bytes(csv_file.read_bytes() + "Айгерим".encode("windows-1251"))
    assert refusal(csv_file).startswith("orders.csv, line 3: is not utf-8 text")


def test_utf_16_that_breaks_off_is_refused(csv_file: Path) -> None:
    write_rows(csv_file, [ROW], encoding="utf-16")
    csv_file.write_bytes(csv_file.read_bytes()[:-1])
    assert refusal(csv_file) == "orders.csv: is damaged UTF-16 text; save it as CSV UTF-8"


def test_a_mark_that_contradicts_the_encoding_is_refused(csv_file: Path) -> None:
    """Or the couriers would be sent to addresses that nobody can read."""
    write_rows(csv_file, [ROW], encoding="utf-8-sig")
    text = refusal(csv_file, encoding="windows-1251")
    assert text == "orders.csv: is UTF-8 text, as its first bytes show, not windows-1251"
    write_rows(csv_file, [ROW], encoding="utf-16")
    text = refusal(csv_file, encoding="windows-1251")
    assert text == "orders.csv: is UTF-16 text, as its first bytes show, not windows-1251"


def test_a_file_name_that_is_no_text_is_shown_as_far_as_it_can_be(tmp_path: Path) -> None:
    path = tmp_path / "orders-\udcff.csv"
    try:
        write_rows(path, [ROW])
    except OSError:
        pytest.skip("this file system has no such names")
    (line,) = read_orders(path)
    assert line.place == "orders-?.csv, line 2"


def test_an_endless_line_is_refused(csv_file: Path) -> None:
    csv_file.write_bytes(b"x" * (LONGEST_LINE + 2))
    assert f"orders.csv, line 1: is longer than {LONGEST_LINE} bytes" in refusal(csv_file)


def test_a_file_that_is_not_there_is_refused(csv_file: Path) -> None:
    assert refusal(csv_file) == "orders.csv: cannot be read: No such file or directory"
    assert read_orders(csv_file).size == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"encoding": "klingon"}, "encoding 'klingon' is unknown"),
        ({"encoding": "utf-32"}, "encoding 'utf-32' is unknown or does not extend ASCII"),
        ({"encoding": "hex"}, "encoding 'hex' is unknown"),
        ({"delimiter": "|"}, "delimiter is '|'; it must be a comma"),
        ({"delimiter": ""}, "delimiter is ''; it must be a comma"),
        ({"format": "ods"}, "format is 'ods'; it must be 'csv', 'jsonl' or 'xlsx'"),
    ],
)
def test_an_invalid_setting_is_refused(csv_file: Path, options: Mapping[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=r"must|is") as refused:
        read_orders(csv_file, **options)  # type: ignore[arg-type]
    assert named in str(refused.value)


def test_a_name_without_a_known_ending_needs_a_format(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "orders.dat", [ROW])
    with pytest.raises(ConfigurationError, match=r"the format of orders\.dat does not follow from its name"):
        read_orders(path)
    assert only(path, format="csv") == GOOD


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda text: text and text == cleaned(text)
)


@given(
    rows=st.lists(
        st.tuples(st.integers(0), TEXT, st.integers(0, 10**17)).map(
            lambda cells: {
                **ROW,
                "externalOrderId": f"order-{cells[0]}",
                "dropoff.notes": cells[1],
                "parcel.valueKzt": str(cells[2]),
            }
        ),
        min_size=1,
        max_size=5,
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], delimiter: str
) -> None:
    path = write_rows(tmp_path_factory.mktemp("rows") / "orders.csv", rows, delimiter=delimiter)
    read = [line.order for line in read_orders(path)]
    assert [
        (found.external_order_id, found.dropoff.notes, str(found.parcel.value_kzt))
        for found in read
        if isinstance(found, DeliveryRequest)
    ] == [(row["externalOrderId"], row["dropoff.notes"], row["parcel.valueKzt"]) for row in rows]


@given(content=st.binary(max_size=300))
def test_any_bytes_give_orders_or_one_kind_of_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "orders.csv"
    path.write_bytes(",".join(HEADER).encode() + b"\n" + content)
    try:
        lines = list(read_orders(path))
    except InvalidRequestError as error:
        assert str(error).startswith("orders.csv, line ")
    else:
        assert all(line.place.startswith("orders.csv, line ") for line in lines)


async def test_iterables_of_both_kinds_are_counted() -> None:
    async def some() -> AsyncIterator[DeliveryRequest | Line]:
        yield order("a")
        yield Line(place="elsewhere", order=order("b"))
        yield order("c")

    found = [line async for line in as_lines(some())]
    assert [line.place for line in found] == ["order 1", "elsewhere", "order 3"]
    assert found == [
        line async for line in as_lines([order("a"), Line(place="elsewhere", order=order("b")), order("c")])
    ]
