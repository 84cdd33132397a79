"""The current API key: fixed, or asked for at each attempt, so that keys can rotate; never shown."""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING, cast

import attrs

from kaspi_delivery_async._wire.headers import is_visible_ascii
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspi_delivery_async.options import ApiKeySource


@attrs.frozen
class Secret:
    """A text that no failure report shows, whether it prints a representation or goes through characters itself."""

    _text: str = attrs.field(repr=False)

    def reveal(self) -> str:
        """Return the text; leave it in no variable."""
        return self._text

    def digest(self) -> str:
        """Return what the text is recognised by; it does not give the text away."""
        return hashlib.sha256(self._text.encode()).hexdigest()[:16]


class ApiKey:
    """Provides the current API key and keeps it out of every repr and local variable."""

    def __init__(self, source: ApiKeySource) -> None:
        self._source = source if callable(source) else None
        self.fixed = None if callable(source) else _secret(source)
        """The key, if it never changes."""
        self.digest = None if self.fixed is None else self.fixed.digest()

    def check(self) -> None:
        """Raise `ConfigurationError` if a fixed key is no key: only now, when no frame holds it any more."""
        if self._source is None and self.fixed is None:
            raise _invalid()

    async def current(self) -> Secret:
        """Return the key to send now, where it is not fixed; raises `ConfigurationError` if it is no key."""
        given = cast("Callable[[], object]", self._source)()
        secret = _secret(await given if inspect.isawaitable(given) else given)
        del given
        if secret is None:
            raise _invalid()
        return secret


def _secret(key: object) -> Secret | None:
    # `str.__str__`: a member of an enumeration of strings is its value, whatever its own `__str__` returns.
    return Secret(str.__str__(key)) if isinstance(key, str) and is_visible_ascii(key) else None


def _invalid() -> ConfigurationError:
    return ConfigurationError(
        "the API key must consist of visible ASCII characters, without spaces or line breaks, as shown in the partner "
        "console; set KASPI_API_KEY or pass `api_key`"
    )
