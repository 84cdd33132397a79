"""The client: one coroutine for each operation, and waiting for the statuses of a delivery."""

import copy
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

import aiohttp

from kaspi_delivery_async import operations
from kaspi_delivery_async._call.api_key import ApiKey
from kaspi_delivery_async._call.engine import Endpoint, Engine
from kaspi_delivery_async._transport.sessions import Sessions
from kaspi_delivery_async.errors import ConfigurationError, InvalidRequestError
from kaspi_delivery_async.instrumentation import Instrumentation, LogOutput
from kaspi_delivery_async.models import (
    Delivery,
    DeliveryCreated,
    DeliveryRequest,
    DeliveryStatus,
    TestWebhook,
    WebhookEventType,
)
from kaspi_delivery_async.operations import Operation
from kaspi_delivery_async.options import (
    ApiKeySource,
    CallOptions,
    Environment,
    Limits,
    RetryPolicy,
    Timeout,
    checked_base_url,
    checked_environment,
)
from kaspi_delivery_async.response import Response
from kaspi_delivery_async.tracking import StatusChange, StatusHub, wait_for_status, watch

T = TypeVar("T")


class DeliveryClient:
    """An asyncio client for the Kaspi Delivery API that retries failed requests without ordering a second courier.

    One client serves any number of concurrent tasks, and any number of event loops one after
    another. Use it as an asynchronous context manager, or call `aclose` at the end::

        async with DeliveryClient("your-key") as client:
            created = await client.create_delivery(request)
            delivery = await client.wait_for_status(created.delivery_id, DeliveryStatus.DELIVERED)

    Every method may raise any `KaspiDeliveryError`, whose ``.outcome`` says whether a courier may
    already be on the way; an invalid setting raises `ConfigurationError` at once.
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
                is called at each attempt, and once more after a 401, so that keys can rotate; once an
                attempt of a create or cancel may have arrived, that call stays with its key. What the
                function raises comes out of the call unchanged: not as a `KaspiDeliveryError`, with its
                own text, and without an ``.outcome``. An earlier attempt of the call may have arrived
                then, so repeat a create under the same key.
            environment: Which of the vendor's environments to call.
            base_url: Overrides the environment's URL, for example with that of a local sandbox;
                ``https``, or ``http`` to a loopback address.
            timeout: Seconds for an attempt and for a whole call.
            retry: How often to retry, and how long to wait in between.
            limits: Limits on concurrency and request rate.
            session: An aiohttp session of your own to send through; it is never closed here.
            instrumentation: Observers of each call; by default one that logs to ``kaspi_delivery_async``.

        """
        key = ApiKey(api_key)
        del api_key  # a failure report that prints local variables must not find it here
        key.check()
        environment_url = checked_environment(environment).base_url
        endpoint = Endpoint(
            base_url=checked_base_url(environment_url if base_url is None else base_url),
            api_key=key,
            sessions=Sessions(session),
            instrumentation=tuple(instrumentation),
        )
        self._engine = Engine(endpoint, CallOptions(timeout=timeout, retry=retry, limits=limits))

    @property
    def base_url(self) -> str:
        """The URL that is called, without a trailing slash."""
        return self._engine.endpoint.base_url

    @property
    def api_key_digest(self) -> str | None:
        """Short digest of a fixed API key, by which a journal recognises it; None if the key is a callable."""
        return self._engine.endpoint.api_key.digest

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Set up a client from ``KASPI_API_KEY``, ``KASPI_ENVIRONMENT`` (``sandbox`` if unset) and ``KASPI_BASE_URL``.

        Raises `ConfigurationError` that names the variable that is missing or wrong.
        """
        environ = os.environ if environ is None else environ
        api_keys = [environ.get("KASPI_API_KEY")]
        environment, base_url = environ.get("KASPI_ENVIRONMENT"), environ.get("KASPI_BASE_URL")
        del environ  # a failure report that prints local variables must find no key here
        if not api_keys[0]:
            raise ConfigurationError("KASPI_API_KEY is not set; put the partner API key of the environment there")
        return cls(api_keys.pop() or "", environment or Environment.SANDBOX, base_url=base_url or None)

    def with_options(
        self, *, timeout: Timeout | None = None, retry: RetryPolicy | None = None, limits: Limits | None = None
    ) -> Self:
        """Return a client with other options that shares this client's connections; closing one closes both.

        It is a shallow copy otherwise: what a subclass has set stays set.
        """
        now = self._engine.options
        options = CallOptions(
            timeout=now.timeout if timeout is None else timeout,
            retry=now.retry if retry is None else retry,
            limits=now.limits if limits is None else limits,
        )
        client = copy.copy(self)
        vars(client).update(_engine=Engine(self._engine.endpoint, options))
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

    async def send(self, operation: Operation[T], *, key_age: float = 0.0) -> Response[T]:
        """Send an operation and return its `Response`: the value with status, headers, attempts and idempotency key.

        ``key_age`` is the number of seconds since its idempotency key was first sent, if an earlier call
        has sent it: at 23 hours it is not sent again. Raises `InvalidRequestError` for anything but an
        operation of `kaspi_delivery_async.operations`.
        """
        if not isinstance(operation, operations.Operation):
            got = type(operation).__name__
            raise InvalidRequestError("operation", f"expected what a function of `operations` returns, got {got}")
        return await self._engine.response(operation, key_age=key_age)

    async def create_delivery(self, request: DeliveryRequest, idempotency_key: str | None = None) -> DeliveryCreated:
        """Create a delivery. Repeating the call with the same request and key within 23 hours never creates a second.

        The key defaults to the order's ``external_order_id``, or to a digest of it where a header
        cannot carry it. Raises `InvalidRequestError` before sending, and `IdempotencyConflictError`
        if the key was used with another payload. Source: GS AU CD.
        """
        return await self._engine.value(operations.create_delivery(request, idempotency_key))

    async def get_delivery(self, delivery_id: str, *, include_history: bool = False) -> Delivery:
        """Fetch a delivery, with its status history if ``include_history``.

        Raises `NotFoundError` if there is no such delivery in the environment. Source: GS RF.
        """
        return await self._engine.value(operations.get_delivery(delivery_id, include_history=include_history))

    async def cancel_delivery(
        self, delivery_id: str, reason: str | None = None, idempotency_key: str | None = None
    ) -> Delivery:
        """Cancel a delivery before its pickup completes.

        The key defaults to ``{delivery_id}-cancel``. Raises `CancelNotAllowedError` once the parcel
        is in transit. Source: CD RF.
        """
        operation = operations.cancel_delivery(delivery_id, reason, idempotency_key)
        del reason  # a person's words: a failure report that prints local variables must not find them here
        return await self._engine.value(operation)

    async def send_test_webhook(self, url: str, event_type: WebhookEventType | str) -> TestWebhook:
        """Have the vendor send a test event to ``url``.

        The API takes no idempotency key here, so the call is retried only if nothing was sent.
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
        """Wait until a delivery has reached ``status`` or gone past it, and return it.

        See `kaspi_delivery_async.tracking.wait_for_status` for the rules and the errors.
        ``timeout`` is in seconds; ``events`` is the hub that your webhook receiver publishes to.
        """
        return await wait_for_status(self.get_delivery, delivery_id, status, timeout=timeout, events=events)

    def watch(
        self, delivery_id: str, *, timeout: float | None = None, events: StatusHub | None = None
    ) -> AsyncGenerator[StatusChange, None]:
        """Follow a delivery: yield each status once and in order, and end with a terminal one.

        See `kaspi_delivery_async.tracking.watch` for the rules and the errors.
        ``timeout`` is in seconds; ``events`` is the hub that your webhook receiver publishes to.
        If you may leave the loop early, close the generator:
        ``async with contextlib.aclosing(client.watch(...)) as changes``.
        """
        return watch(self.get_delivery, delivery_id, timeout=timeout, events=events)
