"""A local Delivery API for tests and development, with time and faults under control."""

from kaspi_delivery_async.sandbox.assumptions import Assumptions
from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.deliveries.journey import Journey
from kaspi_delivery_async.sandbox.deliveries.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.deliveries.service import UnknownDeliveryError, UnknownEventError
from kaspi_delivery_async.sandbox.faults.descriptions import fault_help
from kaspi_delivery_async.sandbox.faults.fault import Fault, FaultError, FaultKind, parse_fault
from kaspi_delivery_async.sandbox.sandbox import Sandbox
from kaspi_delivery_async.sandbox.state.logs import Log, RecordedRequest, WebhookAttempt
from kaspi_delivery_async.sandbox.state.records import DeliveryRecord, StatusEntry
from kaspi_delivery_async.sandbox.state.storage import StorageError
from kaspi_delivery_async.sandbox.threaded import ThreadedSandbox

__all__ = [
    "Assumptions",
    "Clock",
    "DeliveryRecord",
    "Fault",
    "FaultError",
    "FaultKind",
    "ImpossibleMoveError",
    "Journey",
    "Log",
    "RecordedRequest",
    "Sandbox",
    "StatusEntry",
    "StorageError",
    "ThreadedSandbox",
    "UnknownDeliveryError",
    "UnknownEventError",
    "WebhookAttempt",
    "fault_help",
    "parse_fault",
]
