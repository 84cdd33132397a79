"""What the API's description says of an operation; ``_generated/operations.py`` holds one `OperationSpec` for each."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Parameter:
    """A parameter of an operation's requests."""

    name: str
    """Its name in this package, such as ``include_history``."""
    wire: str
    """Its name in the request, such as ``includeHistory``."""
    place: str
    """``path``, ``query`` or ``header``."""
    kind: Any
    """The type of its values."""
    required: bool = False


@attrs.frozen(kw_only=True)
class OperationSpec(Generic[T]):
    """What all requests of one operation have in common, and their responses."""

    name: str
    """The operation's name in this package, such as ``create_delivery``."""
    method: str
    """HTTP method."""
    path: str
    """The path as the description writes it, with ``{deliveryId}`` in place of an id."""
    parameters: tuple[Parameter, ...] = ()
    """Those of the path first, in its order."""
    takes_key: bool = False
    """Whether a request may carry an idempotency key."""
    request: type[Any] | None = None
    """The model of the body, None if there is none."""
    result: type[T]
    """The model of a 2xx response; ``NoneType`` if it has no body."""
    successes: tuple[str, ...]
    """The statuses of success, such as ``201`` or ``2XX``."""
    errors: Mapping[str, type[Any] | None]
    """The documented statuses of failure, such as ``404`` or ``5XX``, each with the model of its body."""
    source: str = ""
    """The documented pages that it rests on, such as ``GS RF``."""
