"""Checking an input without sending anything."""

from pathlib import Path

from kaspi_delivery_async.bulk import check_orders, read_orders
from tests.support.order_files import ROW, write_rows


async def test_every_line_is_checked(tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "orders.csv",
        [ROW, {**ROW, "externalOrderId": "b", "parcel.valueKzt": "x"}, ROW, {**ROW, "externalOrderId": "c"}],
    )
    problems = [problem and str(problem) async for problem in check_orders(read_orders(path))]
    assert problems == [
        None,
        "orders.csv, line 3: column parcel.valueKzt: expected a whole number in digits, such as 18000",
        "orders.csv, line 4: repeats the order id of orders.csv, line 2; give each delivery its own",
        None,
    ]
