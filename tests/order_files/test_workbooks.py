"""Excel workbooks as order files: what their cells mean, and what may be wrong with one."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from kaspi_delivery_async import DeliveryRequest, InvalidRequestError
from kaspi_delivery_async.order_files import opening, read_orders
from kaspi_delivery_async.order_files.tables import sheet as sheet_module
from kaspi_delivery_async.order_files.tables.archive import opened_archive
from tests.support.order_files import HEADER, ROW, write_rows
from tests.support.workbooks import NAMESPACE, Cell, cell_xml, sheet_xml, write_workbook

VALUES = tuple(ROW.values())


def row(**cells: Cell) -> list[Cell]:
    values: dict[str, Cell] = {**ROW, "parcel.weightGrams": 800, "parcel.valueKzt": 18000}
    values |= {path: cells[path.rpartition(".")[2]] for path in ROW if path.rpartition(".")[2] in cells}
    return list(values.values())


def orders(path: Path) -> list[DeliveryRequest]:
    found = [line.order for line in read_orders(path)]
    assert all(isinstance(order, DeliveryRequest) for order in found), found
    return [order for order in found if isinstance(order, DeliveryRequest)]


def refusal(path: Path) -> str:
    with pytest.raises(InvalidRequestError) as refused:
        list(read_orders(path))
    return str(refused.value)


@pytest.mark.parametrize("name", ["orders.xlsx", "orders.xlsm", "orders.xls", "orders.csv"])
@pytest.mark.parametrize("is_shared", [True, False])
def test_a_workbook_is_read_whatever_its_name(tmp_path: Path, name: str, *, is_shared: bool) -> None:
    path = write_workbook(tmp_path / name, [HEADER, row()], is_shared=is_shared)
    from_csv = write_rows(tmp_path / "same.csv", [ROW])
    (line,) = read_orders(path)
    assert line.place == f"{name}, row 2"
    assert [line.order] == orders(from_csv)


def test_a_csv_that_is_called_xls_is_read(tmp_path: Path) -> None:
    assert len(orders(write_rows(tmp_path / "orders.xls", [ROW], delimiter="\t"))) == 1


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (410000001, "410000001"),
        (0.8, "0.8"),
        (1.4500000000000002, "1.45"),
        (77010000001.0, "77010000001"),
        (True, "TRUE"),
        (False, "FALSE"),
        ('<c t="str"><f>A1</f><v>from a formula</v></c>', "from a formula"),
        ("<c><f>A1*2</f><v>36</v></c>", "36"),
        ('<c t="inlineStr"><is><r><t>two </t></r><r><t>runs</t></r><rPh><t>phonetic</t></rPh></is></c>', "two runs"),
        ('<c t="inlineStr"><is><t>Abay_x0020_10</t></is></c>', "Abay 10"),
        ('<c s="1"><v>45717</v></c>', "2025-03-01"),
        ('<c s="2"><v>45717.42708333334</v></c>', "2025-03-01 10:15:00"),
        ('<c s="2"><v>1E300</v></c>', "1E300"),
        ('<c s="3"><v>17</v></c>', "000017"),
        ('<c s="4"><v>18990</v></c>', "18990"),
        ("<c><v>no number</v></c>", "no number"),
        ("x" * 32_767, "x" * 32_767),
    ],
)
def test_a_cell_is_read_as_its_user_sees_it(tmp_path: Path, cell: Cell, text: str) -> None:
    (order,) = orders(write_workbook(tmp_path / "o.xlsx", [HEADER, row(address=cell)]))
    assert order.dropoff.address == text


def test_a_formula_may_compute_an_empty_text(tmp_path: Path) -> None:
    empty = '<c t="str"><f>IF(1=1,"","x")</f><v></v></c>'
    (order,) = orders(write_workbook(tmp_path / "o.xlsx", [HEADER, row(notes=empty)]))
    assert order.dropoff.notes is None


def test_dates_may_count_from_1904(tmp_path: Path) -> None:
    rows = [HEADER, row(address='<c s="1"><v>44255</v></c>')]
    (order,) = orders(write_workbook(tmp_path / "o.xlsx", rows, workbook='<workbookPr date1904="1"/>'))
    assert order.dropoff.address == "2025-03-01"


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        (
            {"phone": '<c t="e"><v>#N/A</v></c>'},
            "row 2: cell D2, column pickup.contact.phone: is the spreadsheet error",
        ),
        (
            {"valueKzt": "<c><f>SUM(A1)</f><v></v></c>"},
            "cell L2, column parcel.valueKzt: is the spreadsheet error #CALC!",
        ),
        ({"externalOrderId": 4.1234567890123456e17}, "cell A2, column externalOrderId: a spreadsheet has rounded it"),
        ({"weightGrams": 0.8}, "cell K2, column parcel.weightGrams: the number has decimals"),
        ({"description": None}, "cell J2, column parcel.description: is empty"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, cells: Mapping[str, Any], named: str) -> None:
    (line,) = read_orders(write_workbook(tmp_path / "o.xlsx", [HEADER, row(**cells)]))
    assert named in str(line.order)


def test_the_sheet_that_has_the_heading_is_read_and_the_others_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sheets = {
        "Справка": sheet_xml([["Как заполнять"]]),
        "Заказы": sheet_xml([["Заказы за март"], [], HEADER, VALUES]),
        "Лист3": sheet_xml([]),
    }
    (line,) = read_orders(write_workbook(tmp_path / "o.xlsx", sheets))
    assert line.place == "o.xlsx, row 4"
    (warning,) = caplog.messages
    assert "the orders are on the sheet 'Заказы', and what is on the others is not read: 'Справка';" in warning


def test_two_sheets_of_orders_are_refused_and_a_hidden_one_is_not_read(tmp_path: Path) -> None:
    sheets = {"Март": sheet_xml([HEADER, VALUES]), "Апрель": sheet_xml([HEADER, VALUES])}
    text = refusal(write_workbook(tmp_path / "o.xlsx", sheets))
    assert text == "o.xlsx: has several sheets: 'Март', 'Апрель'; say which one holds the orders (sheet)"
    assert len(orders(write_workbook(tmp_path / "o.xlsx", sheets, hidden=["Апрель"]))) == 1


def test_a_cell_in_the_last_corner_takes_nothing(tmp_path: Path) -> None:
    sheet = sheet_xml([HEADER, VALUES]).replace(
        "</sheetData>", '<row r="1048576"><c r="XFD1048576" s="1"/></row></sheetData><dimension ref="A1:XFD1048576"/>'
    )
    assert len(orders(write_workbook(tmp_path / "o.xlsx", {"Заказы": sheet}))) == 1


@pytest.mark.parametrize("prefix", ["", "x:"])
def test_cells_need_no_reference_and_names_may_have_a_prefix(tmp_path: Path, prefix: str) -> None:
    cells = [
        "".join(f'<{prefix}c t="str"><{prefix}v>{cell}</{prefix}v></{prefix}c>' for cell in row)
        for row in (HEADER, VALUES)
    ]
    rows = "".join(f"<{prefix}row>{row}</{prefix}row>" for row in cells)
    sheet = (
        f'<{prefix}worksheet xmlns{":x" if prefix else ""}="{NAMESPACE}"><{prefix}sheetData>{rows}</{prefix}sheetData>'
        f"</{prefix}worksheet>"
    )
    assert len(orders(write_workbook(tmp_path / "o.xlsx", {"Заказы": sheet}))) == 1


def test_a_cell_that_comes_twice_counts_once(tmp_path: Path) -> None:
    sheet = sheet_xml([HEADER, VALUES]).replace('<c r="A2"', f'{cell_xml("B2", "elsewhere")}<c r="A2"', 1)
    (order,) = orders(write_workbook(tmp_path / "o.xlsx", {"Заказы": sheet}))
    assert order.pickup.address == ROW["pickup.address"]


BOMB = b"<row>" + b'<c r="A1"><v>0</v></c>' * 1_600_000

WORKSHEET = f'<worksheet xmlns="{NAMESPACE}"><sheetData>'


@pytest.mark.parametrize(
    ("sheet", "named"),
    [
        (BOMB, "as no order file does (a zip bomb?); nothing of it was read"),
        (f"{WORKSHEET}<row><c t='str'><v>{'0' * 200_000}", "has a cell that is longer than any cell of Excel"),
        (f'{WORKSHEET}<row><c r="{"A" * 3_000_000}">', "has a name or a tag longer than 1 MiB"),
        (f"{WORKSHEET}<row><c r='A1'>", "is a damaged Excel workbook (xl/worksheets/sheet1.xml: no element found"),
        (f'<!DOCTYPE a [<!ENTITY b "b">]>{WORKSHEET}', "declares XML entities"),
        (f"{WORKSHEET}<row><c t='s'><v>5</v></c></row>", "a cell refers to a text that is not there"),
        (f"{WORKSHEET}<row r='1048577'>", "it has more rows than a sheet can have"),
        (f"{WORKSHEET}<row r='2'/><row r='2'/>", "row 2 comes twice; save it again in Excel"),
        (f"{WORKSHEET}<row r='0'/>", "row 0 comes twice"),
        (f"{WORKSHEET}<row><c r='XFE1'><v>1</v></c></row>", "it has more columns than a sheet can have"),
        (f"{WORKSHEET}</sheetData></worksheet>", "has no visible sheet that holds anything"),
        (f"{WORKSHEET}<row><c t='s'><v>one</v></c></row>", "is a damaged Excel workbook (invalid literal"),
    ],
)
def test_a_sheet_that_is_a_trap_is_refused(tmp_path: Path, sheet: str | bytes, named: str) -> None:
    parts = {"xl/worksheets/sheet1.xml": sheet}
    assert named in refusal(write_workbook(tmp_path / "o.xlsx", [], parts=parts))


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"xl/sharedStrings.xml": b"<sst>" + b"<si><t>abc</t></si>" * 2_000_000}, "(a zip bomb?)"),
        ({"xl/sharedStrings.xml": "<sst><si><t>"}, "is a damaged Excel workbook (xl/sharedStrings.xml"),
        ({"xl/workbook.xml": None}, "is no complete Excel workbook: it has no xl/workbook.xml"),
        ({"_rels/.rels": "<Relationships/>"}, "is no Excel workbook that can be read here"),
        ({"xl/worksheets/sheet1.xml": None}, "has no visible sheet that holds anything"),
    ],
)
def test_a_workbook_that_lacks_something_is_refused(
    tmp_path: Path, parts: Mapping[str, str | bytes | None], named: str
) -> None:
    assert named in refusal(write_workbook(tmp_path / "o.xlsx", [HEADER, VALUES], parts=parts))


def test_a_workbook_without_styles_is_read(tmp_path: Path) -> None:
    assert len(orders(write_workbook(tmp_path / "o.xlsx", [HEADER, row()], parts={"xl/styles.xml": None}))) == 1


def test_more_shared_texts_than_are_kept_in_memory_are_read(tmp_path: Path) -> None:
    rows: Sequence[list[Cell]] = [row(externalOrderId=f"order-{number}") for number in range(900)]
    found = orders(write_workbook(tmp_path / "o.xlsx", [HEADER, *rows], is_shared=True))
    assert [order.external_order_id for order in found] == [f"order-{number}" for number in range(900)]
    assert {order.dropoff.address for order in found} == {ROW["dropoff.address"]}


def test_an_archive_with_an_endless_list_of_parts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("name", "x")
        archive.filelist[0].comment = b"x" * 60_000
        archive.filelist *= 80
    assert "has a list of parts that no workbook has" in refusal(path)


def test_a_workbook_in_a_pipe_is_refused(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"PK\x03\x04rest")
    os.close(writing)
    with pytest.raises(InvalidRequestError, match="is an Excel workbook; it cannot be read from a pipe"):
        list(read_orders(f"/dev/fd/{reading}", format="csv"))
    os.close(reading)


def test_a_workbook_that_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be read: Is a directory"), opened_archive(tmp_path):
        pass
    path = write_workbook(tmp_path / "o.xlsx", [HEADER, VALUES], merged=["A1:B1"])
    with monkeypatch.context() as patch:
        patch.setattr(sheet_module, "_MOST_MERGED", 0)
        assert "has more than a million merged cells" in refusal(path)

    def fail(*_: object) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(opening, "is_workbook", fail)
    assert refusal(path) == "o.xlsx: cannot be read: Input/output error"
