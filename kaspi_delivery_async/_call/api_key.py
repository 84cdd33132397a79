"""The API key: a text, or a callable that is asked at each call, so that keys can rotate."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from kaspi_delivery_async._wire.headers import is_visible_ascii
from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from kaspi_delivery_async.options import ApiKeySource


class ApiKey:
    """Knows the current API key and shows it to nobody else."""

    def __init__(self, source: ApiKeySource) -> None:
        self.fixed = None if callable(source) else _checked(source)
        """The key, if it never changes."""
        self._source = self.fixed or source

    async def current(self) -> str:
        """Return the key to send now; raises `ConfigurationError` if it is no key."""
        key = self._source() if callable(self._source) else self._source
        return _checked(await key if inspect.isawaitable(key) else key)


class _SecretText(str):
    """Text that a failure report which prints arguments and local variables does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<API key>'"


def _checked(key: object) -> str:
    if isinstance(key, str) and is_visible_ascii(key):
        return _SecretText(key)
    raise ConfigurationError(
        "the API key must be a text of visible ASCII characters, as shown in the partner console: no blanks, no "
        "line ends; set KASPI_API_KEY or pass `api_key`"
    )
