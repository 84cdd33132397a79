"""Pages of the sandbox: each is rendered from responses of the control API, by templates that escape every text."""

import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from kaspi_delivery_async.sandbox import wire_format
from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.faults.descriptions import DESCRIPTIONS
from kaspi_delivery_async.sandbox.faults.fault import EVERY_EVENT, EVERY_OPERATION
from kaspi_delivery_async.sandbox.http.messages import (
    HttpError,
    HttpRequest,
    HttpResponse,
    error_response,
    method_not_allowed,
    not_found,
)
from kaspi_delivery_async.sandbox.routes import OPERATIONS

ON_A_PAGE = 50
"""Entries that one page lists."""

_HERE = "kaspi_delivery_async.sandbox.page"

_RELATED = 200  # requests and attempts that are listed beside a delivery

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)

_PRESETS = (
    ("The API is down for a minute", "*:503", 60),
    ("The API is slow for a minute", "*:latency:seconds=3", 60),
    ("The next create is done, and its response lost", "create:commit-then-drop:count=1", None),
    ("At most 5 requests a second", "*:rate-limit:rate=5", None),
    ("Every tenth request fails", "*:503:0.1", None),
    ("Webhooks are lost for a minute", "webhook:drop", 60),
    ("Webhooks come twice", "webhook:duplicate", None),
    ("Webhooks have a wrong signature", "webhook:bad-signature", None),
)

View = Callable[[HttpRequest], Awaitable[str]]


class Pages:
    """Responds to browsers; all it knows comes from the control API."""

    def __init__(self, control: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        self._control = control

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond with a page, a part of one, or what is wrong."""
        try:
            if request.method not in {"GET", "HEAD"}:
                raise method_not_allowed(request.method, "GET, HEAD")
            match request.segments[1:]:
                case ["app.css" | "app.js" | "icon.svg" as name]:
                    return _static(name)
                case [] | [""]:
                    page = await self._deliveries(request)
                case ["deliveries", delivery_id]:
                    page = await self._delivery(delivery_id)
                case ["requests" | "webhook-attempts" as log]:
                    page = await self._log(request, log)
                case ["faults"]:
                    page = await self._faults()
                case ["settings"]:
                    page = await self._settings()
                case _:
                    raise not_found("there is no such page")
        except HttpError as error:
            failed = error_response(error)
            page = await self._render("error.html", message=error.message)
            return HttpResponse(status=failed.status, body=page.encode(), headers=_HEADERS, content_type=_HTML)
        return HttpResponse(status=200, body=page.encode(), headers=_HEADERS, content_type=_HTML)

    async def _deliveries(self, request: HttpRequest) -> str:
        wanted = _given(request, "search", "status", "before")
        listed = await self._read("deliveries", limit=str(ON_A_PAGE), **wanted)
        wanted = {"search": "", "status": "", **wanted}
        return await self._render("deliveries.html", listed=listed, wanted=wanted, statuses=lifecycle.STATUSES)

    async def _delivery(self, delivery_id: str) -> str:
        about = {"deliveryId": delivery_id, "limit": str(_RELATED)}
        delivery = await self._read("deliveries", delivery_id)
        return await self._render(
            "delivery.html",
            delivery=delivery,
            requests=(await self._read("requests", **about))["requests"],
            attempts=(await self._read("webhook-attempts", **about))["attempts"],
            moves=_moves(delivery["status"]),
        )

    async def _log(self, request: HttpRequest, log: str) -> str:
        wanted = _given(request, "before")
        listed = await self._read(log, limit=str(ON_A_PAGE), **wanted)
        return await self._render(f"{log}.html", listed=listed, wanted=wanted)

    async def _faults(self) -> str:
        return await self._render(
            "faults.html",
            faults=(await self._read("faults"))["faults"],
            presets=_PRESETS,
            targets=(EVERY_OPERATION, *OPERATIONS, EVERY_EVENT, *lifecycle.EVENT_TYPES.values()),
            kinds=DESCRIPTIONS,
        )

    async def _settings(self) -> str:
        return await self._render("settings.html", settings=await self._read("settings"))

    async def _render(self, template: str, **values: object) -> str:
        clock = await self._read("time")
        return _environment().get_template(template).render(clock=clock, **values)

    async def _read(self, *segments: str, **query: str) -> Any:
        request = HttpRequest(
            method="GET",
            segments=segments,
            query={name: (value,) for name, value in query.items()},
            headers={},
            body=b"",
        )
        response = await self._control(request)
        value: Any = wire_format.loads(response.body)
        if response.status != 200:
            raise HttpError(response.status, value["code"], value["message"])
        return value


_HTML = "text/html; charset=utf-8"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    filters: dict[str, Any] = {"moment": _moment, "time_of_day": _time_of_day, "steps": _steps}
    environment.filters.update(filters)
    return environment


@lru_cache(maxsize=3)
def _static(name: str) -> HttpResponse:
    body = (files(_HERE) / "static" / name).read_bytes()
    return HttpResponse(
        status=200, body=body, headers=_HEADERS, content_type=f"{mimetypes.guess_type(name)[0]}; charset=utf-8"
    )


def _given(request: HttpRequest, *names: str) -> dict[str, str]:
    """Return query parameters that are not empty, as a form without a choice sends them."""
    return {name: values[0] for name, values in request.query.items() if name in names and values[0]}


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _time_of_day(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%H:%M:%S")


def _steps(delivery: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """List the statuses on a delivery's way, with the time of each that it has reached."""
    reached = {entry["status"]: entry["at"] for entry in delivery["history"]}
    if lifecycle.CANCELLED in reached:
        return list(reached.items())
    return [(status, reached.get(status)) for status in lifecycle.SEQUENCE]


def _moves(status: str) -> list[str]:
    """List where a delivery can be moved by hand."""
    following = lifecycle.SEQUENCE[lifecycle.SEQUENCE.index(status) + 1 :] if status in lifecycle.SEQUENCE else ()
    return [*following, *([lifecycle.CANCELLED] if status in lifecycle.CANCELLABLE else [])]
