"""What the sandbox's tests share: orders, a caller that checks every response against the descriptions, a receiver."""

import asyncio
import copy
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import attrs
import yaml
from aiohttp import web
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.documented_order import DOCUMENTED_ORDER

OPENAPI = Path(__file__).parents[2] / "openapi"
GENERAL_REFUSALS = frozenset({400, 403, 404, 405, 413, 415, 421})
"""Statuses that any path of the Delivery API may have here, which the vendor does not describe."""

ORDER = DOCUMENTED_ORDER


def order(**changes: object) -> dict[str, Any]:
    """Make the documented order, with some top-level fields changed."""
    return {**copy.deepcopy(ORDER), **changes}


@attrs.frozen
class Reply:
    """A response of the sandbox."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def delivery_id(self) -> str:
        return str(self.json["deliveryId"])


@attrs.frozen
class Description:
    """An OpenAPI description that responses are held against."""

    document: dict[str, Any]
    registry: Any
    general: frozenset[int]
    """Statuses of error responses that no operation lists."""

    @classmethod
    def read(cls, name: str, general: frozenset[int] = frozenset()) -> Self:
        document = yaml.safe_load((OPENAPI / name).read_text("utf-8"))
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        return cls(document, Registry().with_resource("urn:api", resource), general)

    def check(self, method: str, path: str, reply: Reply) -> None:
        """Fail unless the reply is one that the description promises."""
        operation = self._operation(method, path)
        responses = operation.get("responses", {})
        described = responses.get(str(reply.status)) or responses.get(f"{reply.status // 100}XX")
        if described is None:
            assert reply.status in self.general or not operation, f"{method} {path} may not respond {reply.status}"
            schema: dict[str, Any] = {
                "$ref": "urn:api#/components/schemas/ErrorResponse",
                "required": ["code", "message"],
            }
        else:
            schema = self._resolved(described)["content"]["application/json"]["schema"]
            for header, value in self._resolved(described).get("headers", {}).items():
                if header in reply.headers:
                    self._check(
                        int(reply.headers[header]) if header == "Retry-After" else reply.headers[header],
                        self._resolved(value)["schema"],
                    )
        assert reply.headers["Content-Type"].startswith("application/json")
        self._check(reply.json, schema)

    def check_webhook(self, body: object) -> None:
        """Fail unless the body is the one of the described webhook."""
        self._check(body, {"$ref": "urn:api#/components/schemas/DeliveryWebhook"})

    def _check(self, value: object, schema: dict[str, Any]) -> None:
        absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
        Draft202012Validator(absolute, registry=self.registry, format_checker=FormatChecker()).validate(value)

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        for template, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
                found: dict[str, Any] = item.get(method.lower(), {})
                return found
        return {}

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            target: Any = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            value = target
        return value


@functools.cache
def delivery_description() -> Description:
    return Description.read("kaspi-delivery.yaml", GENERAL_REFUSALS)


@functools.cache
def control_description() -> Description:
    return Description.read("sandbox-control.yaml")


@attrs.frozen(kw_only=True)
class Elsewhere:
    """A sandbox in another process."""

    api_key: str
    root_url: str


class Caller:
    """Calls a sandbox and holds every response against the description of the API it came from."""

    def __init__(self, sandbox: Sandbox | Elsewhere) -> None:
        self._sandbox = sandbox

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def __call__(
        self, method: str, path: str, *, key: str | None = None, api_key: str | None = None,
        check: bool = True, headers: Mapping[str, str] | None = None, **options: Any,
    ) -> Reply:  # fmt: skip
        """Call the Delivery API; ``key`` is the idempotency key, ``check`` off where a fault spoils the form."""
        sent = {"x-api-key": self._sandbox.api_key if api_key is None else api_key, **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        reply = await self._request(method, f"{self._sandbox.root_url}/delivery{path}", sent, options)
        if check and method != "HEAD":
            delivery_description().check(method, path.partition("?")[0], reply)
        return reply

    async def control(self, method: str, path: str, **options: Any) -> Reply:
        """Call the control API; ``path`` is what follows ``/_sandbox``."""
        headers = options.pop("headers", {})
        reply = await self._request(method, f"{self._sandbox.root_url}/_sandbox{path}", headers, options)
        if method != "HEAD":
            control_description().check(method, path.partition("?")[0] or "/", reply)
        return reply

    async def create(self, *, key: str | None = None, **changes: object) -> str:
        """Create a delivery and give its id."""
        reply = await self("POST", "/v1/deliveries", key=key, json=order(**changes))
        assert reply.status == 201, reply.body
        return reply.delivery_id

    async def _request(self, method: str, url: str, headers: Mapping[str, str], options: dict[str, Any]) -> Reply:
        async with self._session.request(method, url, headers=headers, **options) as response:
            return Reply(response.status, response.headers, await response.read())


@attrs.frozen
class Received:
    """A webhook as the receiver got it."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def signature(received: Received, secret: str) -> str:
    """Sign what was received as the documentation says, independently of the sandbox."""
    message = received.headers["X-Kaspi-Timestamp"].encode() + b"." + received.body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class Receiver:
    """A webhook receiver that keeps what it gets and responds with the status that ``status_of`` returns."""

    def __init__(
        self,
        status_of: Callable[[Received], int] = lambda _: 200,
        *,
        delay: float | Callable[[Received], float] = 0.0,
    ) -> None:
        """``delay`` is in seconds of the event loop's time, or returns them for an event."""
        self.delay = delay
        self.received: list[Received] = []
        self.status_of = status_of

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def types(self) -> list[str]:
        return [received.json["type"] for received in self.received]

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        received = Received(request.headers, await request.read())
        self.received.append(received)
        await asyncio.sleep(self.delay(received) if callable(self.delay) else self.delay)
        return web.Response(status=self.status_of(received), headers={"Location": "/elsewhere"})
