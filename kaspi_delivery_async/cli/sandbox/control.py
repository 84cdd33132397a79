"""Calls of the control API of a sandbox that runs."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from kaspi_delivery_async.errors import ConfigurationError, KaspiDeliveryError

DEFAULT_URL = "http://127.0.0.1:8420"
_PATIENCE = 600.0  # seconds; moving time ahead waits for the receivers of everything that falls due


class ControlError(KaspiDeliveryError):
    """The sandbox refused what it was asked to do."""


def find_sandbox(url: str | None, environ: Mapping[str, str]) -> str:
    """Return the URL of the sandbox to control: an option, KASPI_SANDBOX_URL, or the KASPI_BASE_URL of this machine."""
    base_url = environ.get("KASPI_BASE_URL", "")
    if not base_url.startswith("http://"):
        base_url = ""  # somewhere else, which is no sandbox of ours
    return url or environ.get("KASPI_SANDBOX_URL") or base_url or DEFAULT_URL


class ControlClient:
    """A blocking client of the control API."""

    def __init__(self, url: str) -> None:
        """Find the sandbox below any URL that it prints.

        Raises:
            ConfigurationError: It is no http URL.

        """
        try:
            parts = urlsplit(url)
            self._address = (parts.hostname or "", parts.port or 80)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme != "http" or not parts.hostname:
            raise ConfigurationError(f"--url: the http URL that `sandbox serve` prints, not {url!r}")

    def call(self, method: str, *path: str, body: Mapping[str, object] | None = None) -> Any:
        """Call an operation and return its JSON.

        Raises:
            ControlError: The sandbox refused it.
            ConfigurationError: There is no sandbox at this URL.

        """
        host, port = self._address
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        target = "/_sandbox/" + "/".join(quote(part, safe="") for part in path)
        sent = None if body is None else json.dumps(body)
        try:
            connection.request(method, target, sent, {} if sent is None else {"Content-Type": "application/json"})
            response = connection.getresponse()
            value: Any = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConfigurationError(
                f"there is no sandbox at {host}:{port} ({type(error).__name__}); start one by `kaspi-delivery sandbox "
                "serve`, or name its URL by --url or KASPI_SANDBOX_URL"
            ) from None
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlError(f"the sandbox refused it: {value.get('message', response.reason)}")
        return value
