"""Missing extras: one message that names the command to install them."""

from __future__ import annotations

from kaspi_delivery_async.errors import ConfigurationError


class MissingExtraError(ConfigurationError, ImportError):
    """A part of the package was imported whose extra is not installed; an `ImportError` as well."""


def missing_extra(*extras: str, needs: str, purpose: str) -> MissingExtraError:
    """Return the error for a missing package: ``needs`` names it, ``purpose`` says what requires it."""
    commands = " or ".join(f'pip install "kaspi-delivery-async[{extra}]"' for extra in extras)
    return MissingExtraError(f"{purpose} requires {needs}: {commands}")
