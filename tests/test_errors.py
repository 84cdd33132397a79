"""The error tree: its shape, its pickles, its texts."""

import copy
import inspect
import pickle

import pytest

import kaspi_delivery_async
from kaspi_delivery_async import Attempt, Delivery, DeliveryStatus, KaspiDeliveryError, Outcome, errors

TREE = (errors.__doc__ or "").partition("::")[2]
DELIVERY = Delivery(delivery_id="dlv_1", status=DeliveryStatus("returned"))

EXAMPLES: list[KaspiDeliveryError] = [
    errors.KaspiDeliveryError("anything"),
    errors.ConfigurationError("no key"),
    errors.InvalidRequestError("$.parcel", "is missing", operation="create_delivery"),
    errors.TransportError("gone", outcome=Outcome.UNKNOWN),
    errors.CertificateError("bad"),
    errors.DeadlineExceededError("late", retry_after=3.5),
    errors.UnreadableResponseError("odd", status=200, body=b"<html>", delivery_id="dlv_1"),
    errors.TrackingError("ended", delivery=None),
    errors.WaitTimeoutError("late", delivery=DELIVERY),
    errors.DeliveryCancelledError("gone", delivery=DELIVERY),
    errors.WebhookVerificationError("too_old", "it is old"),
    errors.OutboxConflictError("other content"),
    errors.StorageError("locked"),
    *(
        kind("no", status=status, outcome=Outcome.REJECTED, code="c", message="m", replayed=True, retry_after=1.0)
        for kind, status in [
            (errors.ApiError, 418),
            (errors.BadRequestError, 400),
            (errors.AuthenticationError, 401),
            (errors.PermissionDeniedError, 403),
            (errors.NotFoundError, 404),
            (errors.ConflictError, 409),
            (errors.IdempotencyConflictError, 409),
            (errors.CancelNotAllowedError, 409),
            (errors.RateLimitedError, 429),
            (errors.ServerError, 503),
        ]
    ),
]


def error_classes() -> dict[str, type[KaspiDeliveryError]]:
    members = inspect.getmembers(errors, inspect.isclass)
    return {name: kind for name, kind in members if issubclass(kind, KaspiDeliveryError)}


def test_every_error_is_public_drawn_in_the_tree_and_has_an_example() -> None:
    assert error_classes().keys() <= set(kaspi_delivery_async.__all__)
    assert {type(error) for error in EXAMPLES} == set(error_classes().values())
    assert all(name in TREE for name in error_classes())


def test_the_tree_is_drawn_as_it_is() -> None:
    """Each class stands deeper than its base, right below it or its siblings."""
    ancestors: list[tuple[int, str]] = []
    for line in TREE.splitlines():
        name = next((word for word in line.split() if word in error_classes()), None)
        if name is None:
            continue
        depth = line.index(name)
        ancestors = [(column, ancestor) for column, ancestor in ancestors if column < depth]
        base = error_classes()[name].__base__
        assert base is not None
        assert base.__name__ == (ancestors[-1][1] if ancestors else "Exception")
        ancestors.append((depth, name))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickle_and_copy(error: KaspiDeliveryError) -> None:
    error.attempts = (Attempt(status=503, start=0.0, duration=0.1), Attempt(error="gone", start=1.0, duration=0.1))
    error.idempotency_key = "order-742"
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert (str(twin), repr(twin), vars(twin)) == (str(error), repr(error), vars(error))


def test_a_text_begins_with_the_operation() -> None:
    assert str(errors.TransportError("gone", operation="get_delivery")) == "get_delivery: gone"
    assert str(errors.TransportError("gone")) == "gone"


def test_the_error_of_an_attempt_becomes_that_of_its_call() -> None:
    error = errors.TransportError("gone", outcome=Outcome.NOT_SENT)
    attempts = (Attempt(error="gone", start=0.0, duration=0.1),)
    error.conclude(operation="create_delivery", outcome=Outcome.UNKNOWN, attempts=attempts, idempotency_key="order-742")
    assert str(error) == "create_delivery: gone"
    assert (error.outcome, error.attempts, error.idempotency_key) == (Outcome.UNKNOWN, attempts, "order-742")


@pytest.mark.parametrize(
    ("status", "outcome", "key", "warns"),
    [
        (400, Outcome.UNKNOWN, "order-742", True),
        (499, Outcome.UNKNOWN, "order-742", True),
        (400, Outcome.REJECTED, "order-742", False),
        (400, Outcome.UNKNOWN, None, False),
        (503, Outcome.UNKNOWN, "order-742", False),
    ],
)
def test_a_refusal_after_an_attempt_of_unknown_outcome_warns_against_another_key(
    status: int, outcome: Outcome, key: str | None, warns: bool
) -> None:
    error = errors.ApiError("no", status=status, outcome=outcome)
    error.idempotency_key = key
    assert ("repeat it under its idempotency key, no other" in str(error)) is warns
