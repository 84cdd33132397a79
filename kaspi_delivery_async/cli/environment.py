"""``KASPI_*`` variables and options: the client and the webhook secrets that they describe."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kaspi_delivery_async.errors import ConfigurationError

if TYPE_CHECKING:
    from kaspi_delivery_async.client import DeliveryClient


def client_settings(environ: Mapping[str, str], *, base_url: str | None, environment: str | None) -> dict[str, str]:
    """Return ``environ`` with the options in force: they win, and a named environment also over KASPI_BASE_URL."""
    settings = dict(environ)
    if environment is not None:
        settings["KASPI_ENVIRONMENT"] = environment
        settings.pop("KASPI_BASE_URL", None)
    if base_url is not None:
        settings["KASPI_BASE_URL"] = base_url
    return settings


def connect(*, base_url: str | None, environment: str | None) -> "DeliveryClient":
    """Set up the client of a command; raises `ConfigurationError` if a setting is missing or wrong."""
    from kaspi_delivery_async.client import DeliveryClient

    return DeliveryClient.from_env(client_settings(os.environ, base_url=base_url, environment=environment))


SECRETS_FROM = "KASPI_WEBHOOK_SECRET"


def webhook_secrets(environ: Mapping[str, str]) -> list[str]:
    """Return the signing secrets of the environment; raises `ConfigurationError` unless there are some."""
    secrets = [secret.strip() for secret in environ.get(SECRETS_FROM, "").split(",")]
    if not all(secrets):
        raise ConfigurationError(
            f"{SECRETS_FROM} is not set, or empty between its commas; put the signing secret of the partner "
            "console there"
        )
    return secrets
