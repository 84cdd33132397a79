"""The pytest fixtures, from synchronous and asynchronous tests; `examples/shop` uses them as a project would."""

import asyncio
import gc
import threading
import urllib.error
import urllib.request

import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.pytest_plugin import ReceivedWebhooks, client_of
from kaspi_delivery_async.sandbox.threaded import ThreadedSandbox
from tests.support.orders import order


def test_a_synchronous_test_reaches_the_sandbox(kaspi_sandbox: ThreadedSandbox) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(f"{kaspi_sandbox.base_url}/v1/deliveries/dlv_1")
    refused.value.close()
    assert kaspi_sandbox.requests.total == 1


@pytest.mark.assumes("repeated-order=accepted")
async def test_time_and_state_are_within_reach(kaspi_client: DeliveryClient, kaspi_sandbox: ThreadedSandbox) -> None:
    created = await kaspi_client.create_delivery(order())
    before = kaspi_sandbox.clock.now()
    await kaspi_sandbox.clock.advance(25 * 3600)
    assert kaspi_sandbox.clock.now() - before == pytest.approx(25 * 3600, abs=1)
    await kaspi_client.create_delivery(order())
    assert len(kaspi_sandbox.deliveries) == 2  # the key was forgotten after a day
    await kaspi_sandbox.cancel(created.delivery_id)
    await kaspi_sandbox.reset()
    assert len(kaspi_sandbox.deliveries) == 0


async def test_webhooks_are_verified(
    kaspi_client: DeliveryClient, kaspi_sandbox: ThreadedSandbox, kaspi_webhooks: ReceivedWebhooks
) -> None:
    kaspi_sandbox.faults.add("webhook:bad-signature:count=1")
    await kaspi_client.create_delivery(order())
    await kaspi_sandbox.drain_webhooks()
    assert (kaspi_webhooks.events, kaspi_webhooks.refused) == ([], ["signature_mismatch"])
    await kaspi_sandbox.clock.advance(60)
    assert [event.type for event in kaspi_webhooks.events] == ["delivery.created"]


def test_each_loop_may_await_the_same_sandbox(kaspi_sandbox: ThreadedSandbox, kaspi_client: DeliveryClient) -> None:
    created = asyncio.run(kaspi_client.create_delivery(order()))
    asyncio.run(kaspi_sandbox.advance(created.delivery_id, "accepted"))
    assert kaspi_sandbox.deliveries[created.delivery_id].status == "accepted"


def test_what_a_client_opened_on_the_running_loop_of_another_thread_is_closed(kaspi_sandbox: ThreadedSandbox) -> None:
    """An open session would fail this test with its warning."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with client_of(kaspi_sandbox) as client:
        asyncio.run_coroutine_threadsafe(client.create_delivery(order()), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    gc.collect()
    assert kaspi_sandbox.requests.total == 1


def test_a_sandbox_that_cannot_start_leaves_no_thread(kaspi_sandbox: ThreadedSandbox) -> None:
    port = int(kaspi_sandbox.root_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), ThreadedSandbox(port=port):
        pass
