"""A local Delivery API for tests and development, with time and faults under control."""

from kaspi_delivery_async.sandbox.clock import Clock
from kaspi_delivery_async.sandbox.faults import Fault, FaultError, FaultKind, parse_fault
from kaspi_delivery_async.sandbox.journey import Journey
from kaspi_delivery_async.sandbox.lifecycle import ImpossibleMoveError
from kaspi_delivery_async.sandbox.records import DeliveryRecord, Log, RecordedRequest, StatusEntry, WebhookAttempt
from kaspi_delivery_async.sandbox.server import Sandbox
from kaspi_delivery_async.sandbox.service import UnknownDeliveryError

__all__ = [
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
    "UnknownDeliveryError",
    "WebhookAttempt",
    "parse_fault",
]
