"""The memory of idempotency keys: which response was given under which key, for 24 hours."""

from collections import OrderedDict
from hashlib import blake2b

import attrs

from kaspi_delivery_async.sandbox import wire_format

KEY_LIFE = 24 * 3600.0
"""Seconds for which a key is remembered. Source: AU."""


class KeyConflictError(ValueError):
    """A key came again with another payload."""


@attrs.frozen(kw_only=True)
class StoredResponse:
    """A response that was given under a key."""

    owner: str = attrs.field(repr=False)
    """Whose key it is: an API key, or the merchant."""
    key: str
    fingerprint: bytes
    status: int
    body: bytes = attrs.field(repr=False)
    at: float
    """When the key was first used: Unix seconds on the sandbox clock."""


def fingerprint(method: str, segments: tuple[str, ...], payload: object) -> bytes:
    """Digest what a key stands for: method, path, and the payload as JSON, so that blanks and order do not matter."""
    digest = blake2b(wire_format.canonical([method, *segments]), digest_size=16)
    digest.update(wire_format.canonical(payload))
    return digest.digest()


class KeyMemory:
    """The keys of the last 24 hours, each under its owner."""

    def __init__(self) -> None:
        self._responses: OrderedDict[tuple[str, str], StoredResponse] = OrderedDict()

    def recall(self, owner: str, key: str, *, fingerprint: bytes, now: float) -> StoredResponse | None:
        """Return the response first given under a key.

        Raises:
            KeyConflictError: The key came with another payload. Source: AU.

        """
        self._forget_old(now)
        known = self._responses.get((owner, key))
        if known is not None and known.fingerprint != fingerprint:
            raise KeyConflictError("this key was used before with another payload; use a new key for a new request")
        return known

    def remember(self, stored: StoredResponse) -> None:
        """Keep a response for 24 hours."""
        self._responses[stored.owner, stored.key] = stored

    def clear(self) -> None:
        """Forget everything."""
        self._responses.clear()

    def _forget_old(self, now: float) -> None:
        # Keys are in the order in which they came, so the old ones are in front.
        while self._responses:
            oldest = next(iter(self._responses))
            if now - self._responses[oldest].at < KEY_LIFE:
                return
            del self._responses[oldest]
