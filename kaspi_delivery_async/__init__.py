"""An asyncio client for the Kaspi Delivery API; an independent project, not the vendor's.

`DeliveryClient` calls the API. `kaspi_delivery_async.webhooks` receives its events, `kaspi_delivery_async.bulk` creates
thousands of deliveries, and `kaspi_delivery_async.sandbox` is a local stand-in for tests.

``Source: GS AU`` in a docstring names the pages of the vendor's documentation that a rule rests on; docs/sources.md
lists them.
"""

from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.client import DeliveryClient
from kaspi_delivery_async.errors import (
    ApiError,
    Attempt,
    AuthenticationError,
    BadRequestError,
    CancelNotAllowedError,
    CertificateError,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    DeliveryCancelledError,
    IdempotencyConflictError,
    InvalidRequestError,
    KaspiDeliveryError,
    NotFoundError,
    OutboxConflictError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    StorageError,
    TrackingError,
    TransportError,
    UnreadableResponseError,
    WaitTimeoutError,
    WebhookVerificationError,
)
from kaspi_delivery_async.models import (
    Contact,
    Delivery,
    DeliveryCreated,
    DeliveryRequest,
    DeliveryStatus,
    DeliveryWebhook,
    DeliveryWebhookData,
    Eta,
    Location,
    Parcel,
    StatusHistory,
    TestWebhook,
    WebhookEventType,
)
from kaspi_delivery_async.operations import Operation
from kaspi_delivery_async.options import Environment, Limits, RetryPolicy, Timeout
from kaspi_delivery_async.response import Response
from kaspi_delivery_async.tracking import StatusChange, StatusHub
from kaspi_delivery_async.webhooks.verifier import WebhookVerifier

__all__ = [
    "ApiError",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "CancelNotAllowedError",
    "CertificateError",
    "ConfigurationError",
    "ConflictError",
    "Contact",
    "DeadlineExceededError",
    "Delivery",
    "DeliveryCancelledError",
    "DeliveryClient",
    "DeliveryCreated",
    "DeliveryRequest",
    "DeliveryStatus",
    "DeliveryWebhook",
    "DeliveryWebhookData",
    "Environment",
    "Eta",
    "IdempotencyConflictError",
    "InvalidRequestError",
    "KaspiDeliveryError",
    "Limits",
    "Location",
    "NotFoundError",
    "Operation",
    "OutboxConflictError",
    "Outcome",
    "Parcel",
    "PermissionDeniedError",
    "RateLimitedError",
    "Response",
    "RetryPolicy",
    "ServerError",
    "StatusChange",
    "StatusHistory",
    "StatusHub",
    "StorageError",
    "TestWebhook",
    "Timeout",
    "TrackingError",
    "TransportError",
    "UnreadableResponseError",
    "WaitTimeoutError",
    "WebhookEventType",
    "WebhookVerificationError",
    "WebhookVerifier",
    "__version__",
]
