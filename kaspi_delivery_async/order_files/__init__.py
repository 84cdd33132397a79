"""Orders from files: CSV and JSON Lines. No database and no network."""

from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.reader import OrderFile, read_orders

__all__ = ["Line", "OrderFile", "read_orders"]
