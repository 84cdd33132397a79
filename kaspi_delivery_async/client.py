"""The client: one awaitable method for each operation, and waiting for what becomes of a delivery."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self, TypeVar

import aiohttp

from kaspi_delivery_async import operations
from kaspi_delivery_async._call.api_key import ApiKey
from kaspi_delivery_async._call.engine import Endpoint, Engine, Settings
from kaspi_delivery_async._transport.sessions import Sessions
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError
from kaspi_delivery_async.instrumentation import LogOutput
from kaspi_delivery_async.options import ApiKeySource, Environment, Limits, RetryPolicy, Timeout, checked_base_url
from kaspi_delivery_async.tracking import wait_for_status, watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping
    from types import TracebackType

    from kaspi_delivery_async.instrumentation import Instrumentation
    from kaspi_delivery_async.models import (
        Delivery,
        DeliveryCreated,
        DeliveryRequest,
        DeliveryStatus,
        TestWebhook,
        WebhookEventType,
    )
    from kaspi_delivery_async.operations import Operation
    from kaspi_delivery_async.response import Response
    from kaspi_delivery_async.tracking import StatusChange, StatusHub

T = TypeVar("T")


class DeliveryClient:
    """Calls the Kaspi Delivery API, safely repeating what fails on the way.

    One client serves any number of tasks at once, and any number of event loops one after
    another. Use it as an asynchronous context manager, or `aclose` it at the end::

        async with DeliveryClient("your-key") as client:
            created = await client.create_delivery(request)
            delivery = await client.wait_for_status(created.delivery_id, DeliveryStatus.DELIVERED)

    Every method may raise any `KaspiDeliveryError`, whose ``.outcome`` tells whether a courier may
    be on the way; a rejected setting raises `ConfigurationError` at once.
    """

    def __init__(
        self,
        api_key: ApiKeySource,
        environment: Environment | str = Environment.SANDBOX,
        *,
        base_url: str | None = None,
        timeout: Timeout = Timeout(),
        retry: RetryPolicy = RetryPolicy(),
        limits: Limits = Limits(),
        session: aiohttp.ClientSession | None = None,
        instrumentation: Iterable[Instrumentation] = (LogOutput(),),
    ) -> None:
        """Set up a client; nothing is opened before the first call.

        Args:
            api_key: The partner key, or a function (sync or async) that returns the current one. It
                is asked at each attempt, and once more after a 401, so that keys can rotate. What it
                raises comes out of the call as it is: not as a `KaspiDeliveryError`, with its own text,
                and without an ``.outcome``. An earlier attempt of the call may have arrived then, so
                repeat a create under the same key.
            environment: Which of the vendor's installations to call.
            base_url: Another place to call instead, such as a local sandbox; ``https``, or ``http``
                to a loopback address.
            timeout: Seconds for an attempt and for a whole call.
            retry: How often and how soon to repeat.
            limits: How hard to press the API.
            session: An aiohttp session of your own to send through; it is never closed here.
            instrumentation: Who hears of calls; by default the logger ``kaspi_delivery_async``.

        """
        environment_url = _environment(environment).base_url
        endpoint = Endpoint(
            base_url=checked_base_url(environment_url if base_url is None else base_url),
            api_key=ApiKey(api_key),
            sessions=Sessions(_checked_session(session)),
            instrumentation=tuple(instrumentation),
        )
        self._engine = Engine(endpoint, _settings(timeout, retry, limits))

    @property
    def base_url(self) -> str:
        """The URL that is called, without a trailing slash."""
        return self._engine.endpoint.base_url

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Set up a client from ``KASPI_API_KEY``, ``KASPI_ENVIRONMENT`` (``sandbox`` if unset) and ``KASPI_BASE_URL``.

        Raises `ConfigurationError` that names the variable that is missing or wrong.
        """
        environ = os.environ if environ is None else environ
        api_key = environ.get("KASPI_API_KEY")
        if not api_key:
            raise ConfigurationError("KASPI_API_KEY is not set; put the partner API key of the environment there")
        return cls(
            api_key,
            environ.get("KASPI_ENVIRONMENT") or Environment.SANDBOX,
            base_url=environ.get("KASPI_BASE_URL") or None,
        )

    def with_options(
        self, *, timeout: Timeout | None = None, retry: RetryPolicy | None = None, limits: Limits | None = None
    ) -> DeliveryClient:
        """Return a client that calls otherwise over the same connections; closing either closes them for both."""
        now = self._engine.settings
        client = object.__new__(type(self))
        settings = _settings(
            now.timeout if timeout is None else timeout,
            now.retry if retry is None else retry,
            now.limits if limits is None else limits,
        )
        client._engine = Engine(self._engine.endpoint, settings)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; later calls raise `ConfigurationError`. A session of your own stays open."""
        await self._engine.endpoint.sessions.close()

    async def send(self, operation: Operation[T]) -> Response[T]:
        """Carry out an operation of `kaspi_delivery_async.operations`, and tell all about how it went.

        Raises `InvalidRequestError` for anything else.
        """
        if not isinstance(operation, operations.Operation):
            got = type(operation).__name__
            raise InvalidRequestError("operation", f"expected what a function of `operations` returns, got {got}")
        return await self._engine.response(operation)

    async def create_delivery(self, request: DeliveryRequest, idempotency_key: str | None = None) -> DeliveryCreated:
        """Order a courier; repeating the call with the same request and key never orders a second one for 23 hours.

        The key defaults to the order's ``external_order_id``, or to a digest of it where a header
        cannot carry it. Raises `InvalidRequestError` before sending, and `IdempotencyConflictError`
        if the key was used with another payload. Source: GS AU CD.
        """
        return await self._engine.value(operations.create_delivery(request, idempotency_key))

    async def get_delivery(self, delivery_id: str, *, include_history: bool = False) -> Delivery:
        """Ask where a delivery stands, with its past statuses if ``include_history``.

        Raises `NotFoundError` if the environment does not know it. Source: GS RF.
        """
        return await self._engine.value(operations.get_delivery(delivery_id, include_history=include_history))

    async def cancel_delivery(
        self, delivery_id: str, reason: str | None = None, idempotency_key: str | None = None
    ) -> Delivery:
        """Cancel a delivery before its pickup completes.

        The key defaults to ``{delivery_id}-cancel``. Raises `CancelNotAllowedError` once the parcel
        is in transit. Source: CD RF.
        """
        return await self._engine.value(operations.cancel_delivery(delivery_id, reason, idempotency_key))

    async def send_test_webhook(self, url: str, event_type: WebhookEventType | str) -> TestWebhook:
        """Have the vendor send a test event to ``url``.

        The API takes no idempotency key here, so the call is repeated only when nothing was sent.
        Source: RF.
        """
        return await self._engine.value(operations.send_test_webhook(url, event_type))

    async def wait_for_status(
        self,
        delivery_id: str,
        status: DeliveryStatus,
        *,
        timeout: float | None = None,
        events: StatusHub | None = None,
    ) -> Delivery:
        """Wait until a delivery has come to ``status`` or past it, and return it.

        It is `kaspi_delivery_async.tracking.wait_for_status`, which tells the rules and the errors.
        ``timeout`` is in seconds; ``events`` is the hub that your webhook receiver publishes to.
        """
        return await wait_for_status(self.get_delivery, delivery_id, status, timeout=timeout, events=events)

    def watch(
        self, delivery_id: str, *, timeout: float | None = None, events: StatusHub | None = None
    ) -> AsyncGenerator[StatusChange, None]:
        """Follow a delivery: yield each status once and in order, and end with a terminal one.

        It is `kaspi_delivery_async.tracking.watch`, which tells the rules and the errors.
        ``timeout`` is in seconds; ``events`` is the hub that your webhook receiver publishes to.
        Who leaves the loop early had better close it: ``async with contextlib.aclosing(client.watch(...)) as changes``.
        """
        return watch(self.get_delivery, delivery_id, timeout=timeout, events=events)


def _environment(name: Environment | str) -> Environment:
    try:
        return Environment(name)
    except ValueError:
        known = " or ".join(repr(str(environment)) for environment in Environment)
        raise ConfigurationError(f"unknown environment {name!r}; it is {known} (KASPI_ENVIRONMENT)") from None


def _settings(timeout: Timeout, retry: RetryPolicy, limits: Limits) -> Settings:
    # A plain number is what other libraries take; accepted here, it would fail at the first call only.
    if not isinstance(timeout, Timeout):
        raise ConfigurationError(f"timeout is {timeout!r}; pass Timeout(attempt=..., total=...), in seconds")
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(f"retry is {retry!r}; pass RetryPolicy(max_attempts=...)")
    if not isinstance(limits, Limits):
        raise ConfigurationError(f"limits is {limits!r}; pass Limits(max_connections=..., rate=...)")
    return Settings(timeout=timeout, retry=retry, limits=limits)


def _checked_session(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession | None:
    if not isinstance(session, aiohttp.ClientSession | None):
        raise ConfigurationError(f"session is {session!r}; pass an aiohttp.ClientSession, or leave it out")
    return session
