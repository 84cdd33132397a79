"""Orders from files: CSV, Excel workbooks and JSON Lines, also as shops export them. No database and no network."""

from kaspi_delivery_async.order_files.lines import Line
from kaspi_delivery_async.order_files.mapping.left_out import LeftOut
from kaspi_delivery_async.order_files.reader import OrderFile, read_orders

__all__ = ["LeftOut", "Line", "OrderFile", "read_orders"]
