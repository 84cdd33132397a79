"""pytest plugin of kaspi-delivery-async: fixtures over the sandbox, and what it saw in the report of a failing test.

``kaspi_sandbox`` is a running, empty sandbox; ``kaspi_client`` a client of it; ``kaspi_webhooks`` receives its events.
They serve synchronous tests and those of any asyncio plugin.

pytest loads this module in every run of an environment that has the package, whether its fixtures are used or not. So
it stands beside the package and imports it only inside of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from kaspi_delivery_async import DeliveryClient
    from kaspi_delivery_async.pytest_plugin import ReceivedWebhooks
    from kaspi_delivery_async.sandbox import ThreadedSandbox

_SCOPES = ("function", "class", "module", "package", "session")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting of the fixtures' scope."""
    parser.addini("kaspi_sandbox_scope", f"scope of the kaspi_ fixtures: {', '.join(_SCOPES)}", default="function")


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker that sets a sandbox up."""
    config.addinivalue_line("markers", "kaspi_sandbox(**settings): settings of the test's sandbox, such as seed=7")


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    scope = str(config.getini("kaspi_sandbox_scope"))
    if scope not in _SCOPES:
        raise pytest.UsageError(f"kaspi_sandbox_scope: one of {', '.join(_SCOPES)}, not {scope!r} ({fixture_name})")
    return scope


@pytest.fixture(scope=_scope)
def kaspi_sandbox_settings() -> dict[str, Any]:
    """Return the settings of `Sandbox` for ``kaspi_sandbox``; override it to change them for a file or a folder."""
    return {}


@pytest.fixture(scope=_scope)
def kaspi_sandbox(request: pytest.FixtureRequest, kaspi_sandbox_settings: dict[str, Any]) -> Iterator[ThreadedSandbox]:
    """Give a running sandbox without deliveries."""
    from kaspi_delivery_async.sandbox import ThreadedSandbox

    marker = request.node.get_closest_marker("kaspi_sandbox")
    settings = dict(kaspi_sandbox_settings)
    if marker is not None:
        settings.update(marker.kwargs)
    with ThreadedSandbox(**settings) as sandbox:
        yield sandbox


@pytest.fixture(scope=_scope)
def kaspi_client(kaspi_sandbox: ThreadedSandbox) -> Iterator[DeliveryClient]:
    """Give a client of ``kaspi_sandbox``; what it opened is closed when the fixture ends."""
    from kaspi_delivery_async.pytest_plugin import client_of

    with client_of(kaspi_sandbox) as client:
        yield client


@pytest.fixture(scope=_scope)
def kaspi_webhooks(kaspi_sandbox: ThreadedSandbox) -> Iterator[ReceivedWebhooks]:
    """Receive and verify the webhooks of ``kaspi_sandbox``."""
    from kaspi_delivery_async.pytest_plugin import receiver_of

    with receiver_of(kaspi_sandbox) as received:
        yield received


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Show in the report of a failing test what its sandbox saw."""
    outcome = yield
    report = outcome.get_result()
    sandbox = getattr(item, "funcargs", {}).get("kaspi_sandbox")
    if report.failed and sandbox is not None:
        from kaspi_delivery_async.pytest_plugin import activity

        report.sections.append(("kaspi_sandbox", activity(sandbox)))
