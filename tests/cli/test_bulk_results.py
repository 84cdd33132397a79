"""Results of a bulk run as spreadsheets open them: columns, links, and no cell that is a formula."""

import csv
import zipfile
from pathlib import Path

import pytest

from kaspi_delivery_async.cli.bulk import report_page
from kaspi_delivery_async.cli.bulk.output import results_sheet, rows
from kaspi_delivery_async.order_files.tables.workbook_table import opened_workbook
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_runner import Run
from tests.support.order_files import ROW, write_rows


@pytest.fixture(autouse=True)
def _pointed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("KASPI_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("LANGUAGE", "en")


@pytest.fixture
def orders(tmp_path: Path) -> str:
    good = [{**ROW, "externalOrderId": number} for number in ("=1+1", "заказ-2", "@3")]
    return str(write_rows(tmp_path / "o.csv", [*good, {**ROW, "externalOrderId": ""}]))


async def test_no_cell_of_a_results_file_is_a_formula(run: Run, orders: str, file: str, tmp_path: Path) -> None:
    results = tmp_path / "out.csv"
    await run("bulk", "create", orders, "--journal", file, "--results", str(results))
    with results.open(newline="") as written:
        assert {row["orderId"] for row in csv.DictReader(written)} == {"'=1+1", "заказ-2", "'@3", ""}


async def test_excel_opens_the_results_as_columns(run: Run, orders: str, file: str, tmp_path: Path) -> None:
    results = tmp_path / "out.csv"
    await run("bulk", "create", orders, "--journal", file, "--results", str(results), "--excel")
    content = results.read_bytes()
    assert content.startswith(b"\xef\xbb\xbfplace;orderId;state;deliveryId;")
    assert "заказ-2;created;".encode() in content
    assert content.count(b"\r\n") == 5
    exported = tmp_path / "all.csv"
    await run("bulk", "export", file, "--output", str(exported), "--excel")
    assert exported.read_bytes().startswith(b"\xef\xbb\xbforderId;state;")


async def test_results_may_be_a_workbook(run: Run, orders: str, file: str, tmp_path: Path) -> None:
    results = tmp_path / "out.xlsx"
    ended = await run("bulk", "create", orders, "--journal", file, "--results", str(results))
    assert ended.code == 1
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.xlsx"]
    with opened_workbook(results, lambda _: (), sheet=None, heading_row=None, on_bytes=lambda _: None) as table:
        found = list(table.rows())
    assert list(table.heading.names)[:5] == ["place", "orderId", "state", "deliveryId", "trackingUrl"]
    assert {row.cells[1] for row in found} == {"=1+1", "заказ-2", "@3", ""}
    with zipfile.ZipFile(results) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert sheet.count("<hyperlink ") == 3


def test_what_does_not_fit_on_a_sheet_goes_on_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_sheet, "_MOST_ROWS", 2)
    (tmp_path / "rows.csv").write_text("a\n1\n2\n3\n")
    (tmp_path / "none.csv").write_text("")
    results_sheet.write_sheet(tmp_path / "rows.csv", tmp_path / "o.xlsx")
    results_sheet.write_sheet(tmp_path / "none.csv", tmp_path / "none.xlsx")
    with zipfile.ZipFile(tmp_path / "o.xlsx") as archive:
        assert "xl/worksheets/sheet2.xml" in archive.namelist()


async def test_a_workbook_that_cannot_be_written_is_refused_before_anything_is_sent(
    run: Run, orders: str, file: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    (tmp_path / "out.xlsx").mkdir()
    ended = await run("bulk", "create", orders, "--journal", file, "--results", str(tmp_path / "out.xlsx"))
    assert (ended.code, sandbox.requests.total) == (2, 0)
    assert "out.xlsx cannot be written: Is a directory; name another file" in ended.err


async def test_a_workbook_that_cannot_be_written_in_the_end_leaves_its_rows(
    run: Run, orders: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows, "write_sheet", full)
    ended = await run("bulk", "create", orders, "--journal", file, "--results", str(tmp_path / "out.xlsx"))
    assert ended.code == 1
    assert "out.xlsx cannot be written: No space left on device; its rows are in " in ended.err
    assert "заказ-2" in (tmp_path / "out.xlsx.rows.csv").read_text()


async def test_a_workbook_needs_its_extra(
    run: Run, orders: str, file: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    ended = await run("bulk", "create", orders, "--journal", file, "--results", "out.xlsx")
    assert ended.code == 2
    assert 'pip install "kaspi-delivery-async[xlsx]"' in ended.err
    assert sandbox.requests.total == 0


async def test_a_report_is_one_page_about_a_journal(run: Run, orders: str, file: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    await run("bulk", "create", orders, "--journal", file)
    ended = await run("bulk", "report", file, "--output", str(page))
    text = page.read_text(encoding="utf-8")
    assert (ended.code, text.count("<rect ")) == (0, 1)
    assert "created<td>3" in text
    assert "Orders without a delivery" not in text  # a row that is no order is in no journal
    ended = await run("bulk", "report", file, "--output", file)
    assert (ended.code, "would be overwritten" in ended.err) == (2, True)
    ended = await run("bulk", "report", file, "--output", str(tmp_path))
    assert (ended.code, "cannot be written: Is a directory" in ended.err) == (2, True)


async def test_a_report_names_what_was_refused(
    run: Run, orders: str, file: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page, "_MOST_NAMED", 2)
    monkeypatch.setenv("LANGUAGE", "ru")
    sandbox.faults.add("create:400")
    page = tmp_path / "report.html"
    await run("bulk", "create", orders, "--journal", file)
    await run("bulk", "report", file, "--output", str(page))
    text = page.read_text(encoding="utf-8")
    assert "отклонено<td>3" in text
    assert "Заказы без доставки" in text
    assert "и ещё 1" in text
    assert "<svg" not in text
    monkeypatch.setattr(report_page, "_MOST_NAMED", 3)
    page.unlink()
    await run("bulk", "report", file, "--output", str(page))
    assert "и ещё" not in page.read_text(encoding="utf-8")


async def test_a_report_of_a_journal_without_orders_says_so(run: Run, file: str, tmp_path: Path) -> None:
    empty = tmp_path / "none.csv"
    empty.write_text(",".join(ROW) + "\n")
    await run("bulk", "create", str(empty), "--journal", file)
    await run("bulk", "report", file, "--output", str(tmp_path / "report.html"))
    assert "no orders" in (tmp_path / "report.html").read_text(encoding="utf-8")
