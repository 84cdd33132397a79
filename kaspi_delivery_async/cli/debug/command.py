"""``kaspi-delivery debug``: the versions and settings that a report of a fault should name."""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from kaspi_delivery_async._version import __version__
from kaspi_delivery_async.cli.options import AsJson

PACKAGE = "kaspi-delivery-async"
SETTINGS = (
    "KASPI_API_KEY", "KASPI_ENVIRONMENT", "KASPI_BASE_URL", "KASPI_WEBHOOK_SECRET", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip


def debug(*, as_json: AsJson = False) -> None:
    """Show the versions and settings that a report of a fault should name.

    Of settings it says only whether they are set, so the output has no secrets.
    """
    from rich.text import Text

    from kaspi_delivery_async.cli.output import emit

    found = installation(os.environ, requires(PACKAGE) or ())
    emit(found, Text("\n".join(f"{name:<22}  {value}" for name, value in found.items())), as_json=as_json)


def installation(environ: Mapping[str, str], requirements: Iterable[str]) -> dict[str, str]:
    """Describe this package, Python, the machine, each required package and each setting."""
    names = sorted({re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}, key=str.lower)
    return {
        PACKAGE: __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        **{name: _version_of(name) for name in names},
        **{name: "set" if environ.get(name) else "not set" for name in SETTINGS},
    }


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
