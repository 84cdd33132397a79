"""Order ids of one file that only look the same."""

from pathlib import Path

import pytest

from kaspi_delivery_async import DeliveryRequest, StorageError
from kaspi_delivery_async.bulk import read_orders
from kaspi_delivery_async.models import to_json
from tests.support.order_files import ROW, write_rows
from tests.support.orders import order


@pytest.mark.parametrize(("first", "second"), [("А-7", "A-7"), ("A-7", "А-7"), ("заказ-c", "заказ-с")])
def test_an_id_that_looks_like_an_earlier_one_is_refused_with_both_lines(
    tmp_path: Path, first: str, second: str
) -> None:
    rows = [{**ROW, "externalOrderId": order_id} for order_id in (first, "x-1", second, "x-2")]
    lines = list(read_orders(write_rows(tmp_path / "o.csv", rows)))
    assert [isinstance(line.order, DeliveryRequest) for line in lines] == [True, True, False, True]
    assert str(lines[2].order).startswith("o.csv, line 4: the order id looks like that of o.csv, line 2, ")


def test_json_lines_are_held_to_the_same_rule(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_bytes(b"\n".join(to_json(order(order_id)) for order_id in ("А-7", "A-7")))
    _, second = read_orders(path)
    assert str(second.order).startswith("o.jsonl, line 2: the order id looks like that of o.jsonl, line 1, ")


@pytest.mark.parametrize("ids", [("A-7", "A-7"), ("A-7", "a-7"), ("Б-7", "6-7"), ("7", "8"), ("А-7", "А-8")])
def test_other_ids_pass(tmp_path: Path, ids: tuple[str, str]) -> None:
    """Those that are the same, too: the journal finds repeated orders, in one file or in several."""
    rows = [{**ROW, "externalOrderId": order_id} for order_id in ids]
    lines = read_orders(write_rows(tmp_path / "o.csv", rows))
    assert all(isinstance(line.order, DeliveryRequest) for line in lines)


@pytest.mark.usefixtures("little_room_for_lists")
def test_a_full_disk_ends_the_reading(tmp_path: Path) -> None:
    rows = ({**ROW, "externalOrderId": f"A-{number}"} for number in range(500))
    with pytest.raises(StorageError, match="the list of order ids in this file cannot be kept: "):
        list(read_orders(write_rows(tmp_path / "o.csv", rows)))
