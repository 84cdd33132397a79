"""`kaspi-delivery bulk erase`."""

from pathlib import Path

import pytest

from kaspi_delivery_async.bulk import Erasure, Journal
from kaspi_delivery_async.bulk.order import prepare
from kaspi_delivery_async.cli.bulk.output.text import ERASURES
from kaspi_delivery_async.order_files.lines import Line
from tests.support.bulk_runs import orders
from tests.support.cli_runner import Run
from tests.support.orders import PERSONAL


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_command_erases_orders_and_says_what_remains(
    run: Run, kind: str, request: pytest.FixtureRequest
) -> None:
    journal = request.getfixturevalue({"sqlite": "file", "postgresql": "postgresql_url"}[kind])
    async with Journal(journal) as opened:
        session = await opened.begin("here")
        await session.claim(prepare(Line(place="order 1", order=orders(1)[0])))
        await session.close()
    ended = await run("bulk", "erase", journal, "order-0", "--json")
    assert (ended.code, ended.json["orderId"], ended.json["outcome"]) == (0, "order-0", "erased")
    assert "the input file are yours to erase" in ended.err
    assert ("VACUUM" in ended.err) is (kind == "postgresql")
    if kind == "sqlite":
        assert not any(text.encode() in Path(journal).read_bytes() for text in PERSONAL)
    ended = await run("bulk", "erase", journal, "order-9")
    assert (ended.code, ended.out) == (1, "order-9: not in this journal\n")


@pytest.mark.parametrize("outcome", list(Erasure))
def test_each_outcome_is_explained(outcome: Erasure) -> None:
    assert ERASURES[outcome]
