"""Receiving the vendor's webhooks: who sent a message, what it says, and that it is handled."""

from kaspi_delivery_async.webhooks.inbox import Receipt, WebhookInbox
from kaspi_delivery_async.webhooks.memory import MemoryStore
from kaspi_delivery_async.webhooks.records import DeadLetter, Totals
from kaspi_delivery_async.webhooks.store import Store
from kaspi_delivery_async.webhooks.verifier import WebhookVerifier, sign

__all__ = ["DeadLetter", "MemoryStore", "Receipt", "Store", "Totals", "WebhookInbox", "WebhookVerifier", "sign"]
