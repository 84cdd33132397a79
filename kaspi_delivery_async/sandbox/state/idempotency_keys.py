"""The memory of idempotency keys: which answer was given under which key, for 24 hours."""

from collections import OrderedDict
from hashlib import blake2b

import attrs

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.http.messages import HttpError, HttpResponse

KEY_LIFE = 24 * 3600.0
"""Seconds for which a key is remembered. Source: AU."""


@attrs.frozen(kw_only=True)
class StoredResponse:
    """An answer that was given under a key."""

    api_key: str = attrs.field(repr=False)
    key: str
    fingerprint: bytes
    answer: HttpResponse
    at: float
    """When the key was first used: Unix seconds on the sandbox clock."""


def fingerprint(method: str, segments: tuple[str, ...], payload: object) -> bytes:
    """Digest what a key stands for: method, path, and the payload as JSON, so that spaces and order do not matter."""
    digest = blake2b(wire_format.canonical([method, *segments]), digest_size=16)
    digest.update(wire_format.canonical(payload))
    return digest.digest()


class KeyMemory:
    """The keys of the last 24 hours, each under the API key it came with."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], StoredResponse] = OrderedDict()

    def recall(self, api_key: str, key: str, *, fingerprint: bytes, now: float) -> HttpResponse | None:
        """Find the answer first given under a key.

        Raises:
            HttpError: 409 if the key came with another payload. Source: AU.

        """
        self._forget_old(now)
        known = self._answers.get((api_key, key))
        if known is None:
            return None
        if known.fingerprint != fingerprint:
            message = "Idempotency-Key: this key was used before with another payload; use a new key for a new request"
            raise HttpError(409, "conflict", message)
        return known.answer

    def remember(self, keyed: StoredResponse) -> None:
        """Keep an answer for 24 hours."""
        self._answers[keyed.api_key, keyed.key] = keyed

    def clear(self) -> None:
        """Forget everything."""
        self._answers.clear()

    def _forget_old(self, now: float) -> None:
        # Keys stand in the order in which they came, so the old ones are in front.
        while self._answers:
            oldest = next(iter(self._answers))
            if now - self._answers[oldest].at < KEY_LIFE:
                return
            del self._answers[oldest]
