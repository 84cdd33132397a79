"""What the control API needs of a sandbox."""

from typing import Protocol

from kaspi_delivery_async.sandbox.assumptions import Assumptions
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries.service import Deliveries
from kaspi_delivery_async.sandbox.faults.selection import Faults
from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord


class Controls(Protocol):
    """The parts of a sandbox that the control API shows and moves; `Sandbox` documents each."""

    clock: Clock
    faults: Faults
    requests: Log[RecordedRequest]
    webhook_attempts: Log[WebhookAttempt]
    api_key: str
    api_keys: set[str]
    deliveries: Deliveries
    hidden_settings: set[str]

    @property
    def base_url(self) -> str:
        """The URL of the Delivery API."""
        ...

    @property
    def webhook_url(self) -> str | None:
        """The registered receiver."""
        ...

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None: ...

    @property
    def webhook_secret(self) -> str:
        """The secret that signs webhooks."""
        ...

    @webhook_secret.setter
    def webhook_secret(self, secret: str) -> None: ...

    @property
    def seed(self) -> int:
        """What ids follow from."""
        ...

    @property
    def assumptions(self) -> Assumptions:
        """What is assumed where no page says what happens."""
        ...

    async def advance(self, delivery_id: str, status: str, *, notes: str | None = None) -> DeliveryRecord:
        """Move a delivery to a status."""
        ...

    async def resend(self, event_id: str) -> None:
        """Send an event once more."""
        ...

    async def reset(self) -> None:
        """Empty the sandbox."""
        ...

    def keep(self) -> None:
        """Make the time that is shown durable."""
        ...
