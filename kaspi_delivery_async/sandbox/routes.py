"""The operations of the Delivery API: the name, the method and the path of each."""

from collections.abc import Iterator

import attrs


@attrs.frozen
class Route:
    """An operation, and which requests are one of it."""

    operation: str
    """Its name, as faults and the request log have it."""
    method: str
    path: str
    """Below the API's root, with a name in braces in place of an id."""
    keyed: bool = attrs.field(default=False, kw_only=True)
    """Whether a request may carry an idempotency key."""


ROUTES = (
    Route("create", "POST", "/v1/deliveries", keyed=True),
    Route("get", "GET", "/v1/deliveries/{deliveryId}"),
    Route("cancel", "POST", "/v1/deliveries/{deliveryId}/cancel", keyed=True),
    Route("test-webhook", "POST", "/v1/webhooks/test"),
)

OPERATIONS = tuple(route.operation for route in ROUTES)


def routes_at(segments: tuple[str, ...]) -> Iterator[Route]:
    """Yield the operations at a path, whatever the method; a name in a path goes before an id."""
    for parts, route in _SPLIT:
        if len(parts) == len(segments) and all(
            part in (None, given) for part, given in zip(parts, segments, strict=True)
        ):
            yield route


def route_of(method: str, segments: tuple[str, ...]) -> Route | None:
    """Find the operation that a request is, None if it is none."""
    return next((route for route in routes_at(segments) if route.method == method), None)


def _parts(route: Route) -> tuple[str | None, ...]:
    return tuple(None if part.startswith("{") else part for part in route.path.split("/")[1:])


_SPLIT = [(_parts(route), route) for route in sorted(ROUTES, key=lambda route: route.path.count("{"))]
