"""Lines and headers of order files, as spreadsheets of several systems write them."""

import logging
from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryRequest, InvalidRequestError
from kaspi_delivery_async.bulk import read_orders
from tests.support.order_files import HEADER, ROW, write_orders, write_rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_lines_end_as_any_system_ends_them(tmp_path: Path, end: str, *, is_ended: bool) -> None:
    path = write_orders(tmp_path / "o.csv", 2000)  # several blocks
    rows = path.read_text().splitlines()
    path.write_text(end.join(rows) + end * is_ended, newline="")
    lines = list(read_orders(path))
    assert [line.place for line in lines] == [f"o.csv, line {number}" for number in range(2, 2002)]
    assert all(isinstance(line.order, DeliveryRequest) for line in lines)


def test_a_line_break_of_any_kind_in_a_cell_stays(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "o.csv", [{**ROW, "dropoff.notes": "ring\rtwice\nplease"}])
    (line,) = read_orders(path)
    assert isinstance(line.order, DeliveryRequest)
    assert line.order.dropoff.notes == "ring\rtwice\nplease"


@pytest.mark.parametrize("mapped", ["Номер\nзаказа", "Номер заказа", " Номер  заказа "])
def test_a_heading_on_two_lines_is_one_heading(tmp_path: Path, mapped: str) -> None:
    path = tmp_path / "o.csv"
    heading = ['"Номер\nзаказа"', *HEADER[1:]]
    path.write_text(f"{';'.join(heading)}\n{';'.join(ROW.values())}\n")
    (line,) = read_orders(path, columns={mapped: "externalOrderId"})
    assert isinstance(line.order, DeliveryRequest)
    assert (line.order.external_order_id, line.place) == ("order-742", "o.csv, line 3")


def test_a_quote_that_is_part_of_a_name_swallows_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(f'{";".join(HEADER)};Диагональ 15"\n{";".join(ROW.values())};x\n')
    (line,) = read_orders(path, columns={'Диагональ 15"': ""})
    assert isinstance(line.order, DeliveryRequest)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"PK\x03\x04rest", "is a damaged Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1rest", "is an old Excel workbook"),
        (b"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "is an OpenDocument sheet"),
        (b"\xef\xbb\xbf\n<html><table>", "is a web page, whatever its name says"),
        (b'<?xml version="1.0"?><Workbook>', "is an XML document"),
    ],
)
def test_what_is_no_table_is_recognised_whatever_its_name(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "o.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=named):
        list(read_orders(path))


def test_letters_that_were_lost_are_warned_of_once_with_their_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["?лем", "Айгерим", "А?мола", "Кто там?"]
    rows = [
        {**ROW, "externalOrderId": f"n-{number}", "dropoff.contact.name": name} for number, name in enumerate(names)
    ]
    source = write_rows(tmp_path / "o.csv", rows, encoding="windows-1251")
    with caplog.at_level(logging.WARNING):
        lines = list(read_orders(source, encoding="windows-1251"))
    assert all(isinstance(line.order, DeliveryRequest) for line in lines)
    (record,) = caplog.records
    assert "o.csv: a letter was probably lost" in record.getMessage()
    assert "on lines 2, 4;" in record.getMessage()


def test_a_warning_names_the_first_lines_and_counts_the_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{**ROW, "externalOrderId": f"n-{number}", "dropoff.contact.name": "?лем"} for number in range(25)]
    with caplog.at_level(logging.WARNING):
        list(read_orders(write_rows(tmp_path / "o.csv", rows)))
    assert ", 21 and 5 more;" in caplog.records[0].getMessage()
