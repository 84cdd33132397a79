"""Bulk creation of deliveries, each exactly once, resumable after a crash. Requires the ``store`` extra."""

from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async.bulk.chunks import Executor, create_deliveries_on
from kaspi_delivery_async.bulk.dask import DaskExecutor, WorkersChanged
from kaspi_delivery_async.bulk.dry_run import check_orders
from kaspi_delivery_async.bulk.journal import Journal
from kaspi_delivery_async.bulk.journal.entries import JournalEntry, JournalTotals
from kaspi_delivery_async.bulk.journal.erasure import Erasure
from kaspi_delivery_async.bulk.results import Paused, Result
from kaspi_delivery_async.bulk.runner import create_deliveries
from kaspi_delivery_async.order_files import Line, OrderFile, read_orders

__all__ = [
    "DaskExecutor",
    "Erasure",
    "Executor",
    "Journal",
    "JournalEntry",
    "JournalTotals",
    "Line",
    "OrderFile",
    "OrderState",
    "Paused",
    "Result",
    "WorkersChanged",
    "check_orders",
    "create_deliveries",
    "create_deliveries_on",
    "read_orders",
]
