"""Creates thousands of deliveries at once, each exactly once, and goes on after a crash; needs the extra ``store``."""

from kaspi_delivery_async.bulk.checking import check_orders
from kaspi_delivery_async.bulk.journal import Journal
from kaspi_delivery_async.bulk.records import JournalEntry, Line, OrderState, Paused, Result, Totals
from kaspi_delivery_async.bulk.runner import create_deliveries
from kaspi_delivery_async.bulk.sources import OrderFile, read_orders

__all__ = [
    "Journal",
    "JournalEntry",
    "Line",
    "OrderFile",
    "OrderState",
    "Paused",
    "Result",
    "Totals",
    "check_orders",
    "create_deliveries",
    "read_orders",
]
