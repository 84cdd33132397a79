"""Erasing people's data from a journal, order by order."""

from kaspi_delivery_async import DeliveryClient, DeliveryRequest
from kaspi_delivery_async.bulk import Erasure, Journal
from kaspi_delivery_async.bulk.journal.claims import Claims, Send
from kaspi_delivery_async.bulk.order import Order, prepare
from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import entries, orders, run


async def claimed(session: Claims, request: DeliveryRequest) -> tuple[Order, Send]:
    """Have an order be sent by a run."""
    order = prepare(Line(place="order 1", order=request))
    claim = await session.claim(order)
    assert isinstance(claim, Send)
    return order, claim


async def test_each_order_is_erased_as_far_as_its_state_allows(
    location: str, client: DeliveryClient, sandbox: Sandbox
) -> None:
    made, refused, unanswered, unsent, in_flight = orders(5)
    host = sandbox.base_url.split("/")[2]
    async with Journal(location) as journal:
        await run(client, [made], journal)
        sandbox.faults.add("create:400")
        await run(client, [refused], journal)
        ended = await journal.begin(host)
        await claimed(ended, unanswered)
        ended.give_back(*await claimed(ended, unsent))
        await ended.close()
        session = await journal.begin(host)
        await claimed(session, in_flight)
        assert await journal.erase(["order-0", "order-1", "order-2", "order-3", "order-4", "another"]) == {
            "order-0": Erasure.ERASED,
            "order-1": Erasure.ERASED,
            "order-2": Erasure.ERASED,
            "order-3": Erasure.REMOVED,
            "order-4": Erasure.IN_FLIGHT,
            "another": Erasure.UNKNOWN,
        }
        left = await entries(journal)
        await session.close()
    assert {order_id: entry.state.value for order_id, entry in left.items()} == {
        "order-0": "created",
        "order-1": "rejected",
        "order-2": "in_doubt",
        "order-4": "sent",
    }
    assert [entry.tracking_url for entry in left.values()] == [None] * 4
    assert left["order-0"].delivery_id in sandbox.deliveries  # no second courier is ordered
