"""States of an order on its way to the API."""

from enum import StrEnum


class OrderState(StrEnum):
    """State of an order in the journal, and what a call decides about an order of the outbox."""

    PENDING = "pending"
    """Known, and nothing of it has left: it was put back during a pause, or because the run ended."""
    SENT = "sent"
    """It may have left, and no response is known: the next run sends it again under the same key."""
    CREATED = "created"
    """The API has made the delivery. Final."""
    REJECTED = "rejected"
    """The API refused the order; no delivery exists. Final."""
    FAILED = "failed"
    """Nothing of it had an effect, for example because no connection could be made: the next run tries again."""
    IN_DOUBT = "in_doubt"
    """It may have arrived, and its key is too old to be sent again: a webhook that names the order confirms it."""


UNFINISHED = frozenset({OrderState.PENDING, OrderState.SENT, OrderState.FAILED})
"""States of orders that another run resumes. Orders in any other state are left alone, and their bodies erased."""
