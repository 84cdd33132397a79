"""Receiving the vendor's webhooks: who sent a message, what it says, and that it is handled."""

from kaspi_delivery_async.webhook_verifier import WebhookVerifier, sign
from kaspi_delivery_async.webhooks.inbox import Receipt, WebhookInbox
from kaspi_delivery_async.webhooks.memory import MemoryStore
from kaspi_delivery_async.webhooks.records import DeadLetter, Totals
from kaspi_delivery_async.webhooks.store import Store

__all__ = ["DeadLetter", "MemoryStore", "Receipt", "Store", "Totals", "WebhookInbox", "WebhookVerifier", "sign"]
