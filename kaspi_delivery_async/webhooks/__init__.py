"""Receiving the vendor's webhooks: who sent a message, what it says, and that it is handled."""

from kaspi_delivery_async.webhooks.inbox import WebhookInbox
from kaspi_delivery_async.webhooks.stored_events import DeadLetter, InboxTotals, Receipt
from kaspi_delivery_async.webhooks.stores.memory import MemoryStore
from kaspi_delivery_async.webhooks.stores.protocol import Store
from kaspi_delivery_async.webhooks.verifier import WebhookVerifier, sign

__all__ = ["DeadLetter", "InboxTotals", "MemoryStore", "Receipt", "Store", "WebhookInbox", "WebhookVerifier", "sign"]
