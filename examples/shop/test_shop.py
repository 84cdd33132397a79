"""The shop's tests: three recipes for testing against the sandbox of kaspi-delivery-async."""

from shop import Shop

from kaspi_delivery_async import Contact, DeliveryClient, DeliveryStatus
from kaspi_delivery_async.pytest_plugin import ReceivedWebhooks
from kaspi_delivery_async.sandbox.threaded import ThreadedSandbox

AIGERIM = Contact(name="Aigerim K.", phone="+7 701 000 0000")


async def test_a_parcel_travels(kaspi_client: DeliveryClient, kaspi_sandbox: ThreadedSandbox) -> None:
    """Move a delivery by hand, and look at what your code says."""
    shop = Shop(kaspi_client)
    assert await shop.ship("order-742", AIGERIM, "89 Satpayev St, Almaty", grams=800, tenge=18000)
    assert await shop.describe("order-742") == "Your parcel is being prepared."
    await kaspi_sandbox.advance(shop.deliveries["order-742"], DeliveryStatus.DELIVERED)
    assert await shop.describe("order-742") == "Your parcel has arrived."


async def test_a_lost_response_sends_one_courier(kaspi_client: DeliveryClient, kaspi_sandbox: ThreadedSandbox) -> None:
    """Let the network fail at the worst moment, and count the couriers."""
    kaspi_sandbox.faults.add("create:commit-then-drop:count=1")
    shop = Shop(kaspi_client)
    assert await shop.ship("order-743", AIGERIM, "89 Satpayev St, Almaty", grams=800, tenge=18000)
    assert len(kaspi_sandbox.deliveries) == 1
    assert len(kaspi_sandbox.requests) == 2


async def test_every_step_is_announced(
    kaspi_client: DeliveryClient, kaspi_sandbox: ThreadedSandbox, kaspi_webhooks: ReceivedWebhooks
) -> None:
    """Receive the webhooks; to send them to a receiver of your own, set ``kaspi_sandbox.webhook_url``."""
    shop = Shop(kaspi_client)
    await shop.ship("order-744", AIGERIM, "89 Satpayev St, Almaty", grams=800, tenge=18000)
    await kaspi_sandbox.advance(shop.deliveries["order-744"], "accepted")
    assert [event.type for event in kaspi_webhooks.events] == ["delivery.created", "delivery.accepted"]
