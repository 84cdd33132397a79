# Generated from the API description by `python -m codegen`; do not edit.
"""Operations of the Kaspi Delivery API: what their requests and responses are."""

from typing import Any

from kaspi_delivery_async._generated import models
from kaspi_delivery_async._operation_spec import OperationSpec, Parameter

CREATE_DELIVERY = OperationSpec(
    name="create_delivery",
    method="POST",
    path="/v1/deliveries",
    parameters=(Parameter(name="idempotency_key", wire="Idempotency-Key", place="header", kind=str),),
    takes_key=True,
    request=models.DeliveryRequest,
    result=models.DeliveryCreated,
    successes=("201",),
    errors={
        "400": models.ErrorResponse,
        "401": models.ErrorResponse,
        "403": models.ErrorResponse,
        "409": models.ErrorResponse,
        "429": models.ErrorResponse,
        "5XX": models.ErrorResponse,
    },
    source="GS CD RF",
)
"""Create a delivery."""

GET_DELIVERY = OperationSpec(
    name="get_delivery",
    method="GET",
    path="/v1/deliveries/{deliveryId}",
    parameters=(
        Parameter(name="delivery_id", wire="deliveryId", place="path", kind=str, required=True),
        Parameter(name="include_history", wire="includeHistory", place="query", kind=bool),
    ),
    result=models.Delivery,
    successes=("200",),
    errors={
        "400": models.ErrorResponse,
        "401": models.ErrorResponse,
        "403": models.ErrorResponse,
        "404": models.ErrorResponse,
        "429": models.ErrorResponse,
        "5XX": models.ErrorResponse,
    },
    source="GS RF",
)
"""Look up a delivery and its live status."""

CANCEL_DELIVERY = OperationSpec(
    name="cancel_delivery",
    method="POST",
    path="/v1/deliveries/{deliveryId}/cancel",
    parameters=(
        Parameter(name="delivery_id", wire="deliveryId", place="path", kind=str, required=True),
        Parameter(name="idempotency_key", wire="Idempotency-Key", place="header", kind=str),
    ),
    takes_key=True,
    request=models.CancelRequest,
    result=models.Delivery,
    successes=("200",),
    errors={
        "400": models.ErrorResponse,
        "401": models.ErrorResponse,
        "403": models.ErrorResponse,
        "404": models.ErrorResponse,
        "409": models.ErrorResponse,
        "429": models.ErrorResponse,
        "5XX": models.ErrorResponse,
    },
    source="CD RF",
)
"""Cancel a delivery that has not been picked up."""

SEND_TEST_WEBHOOK = OperationSpec(
    name="send_test_webhook",
    method="POST",
    path="/v1/webhooks/test",
    request=models.TestWebhookRequest,
    result=models.TestWebhook,
    successes=("202",),
    errors={
        "400": models.ErrorResponse,
        "401": models.ErrorResponse,
        "403": models.ErrorResponse,
        "429": models.ErrorResponse,
        "5XX": models.ErrorResponse,
    },
    source="RF",
)
"""Ask for a test event to be sent to a URL."""

ALL: tuple[OperationSpec[Any], ...] = (
    CREATE_DELIVERY,
    GET_DELIVERY,
    CANCEL_DELIVERY,
    SEND_TEST_WEBHOOK,
)
