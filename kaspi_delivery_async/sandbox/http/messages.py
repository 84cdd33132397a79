"""One HTTP exchange as plain data: the request, the response, and why a request is refused."""

from collections.abc import AsyncGenerator, Mapping

import attrs

from kaspi_delivery_async.sandbox import wire_format

JSON = "application/json"
MAX_BODY = 1024 * 1024
"""The longest body that is read, in bytes."""


@attrs.frozen(kw_only=True)
class HttpRequest:
    """A request whose body has been read."""

    method: str
    segments: tuple[str, ...]
    """The path below the API's root, split at its slashes and then percent-decoded."""
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str] = attrs.field(repr=False)
    """Case-insensitive."""
    body: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class HttpResponse:
    """A response."""

    status: int
    body: bytes = attrs.field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    stream: AsyncGenerator[bytes] | None = attrs.field(default=None, repr=False)
    """What is sent instead of the body, piece by piece, until the client has gone."""


class HttpError(Exception):
    """The request is refused with a status, a machine-readable code and a message for people."""

    def __init__(self, status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def json_response(status: int, value: object, *, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    """Make a response whose body is a value as JSON."""
    return HttpResponse(status=status, body=wire_format.dumps(value), headers=headers)


def error_response(error: HttpError) -> HttpResponse:
    """Make the response to a refused request. Source: RF for the form of the body."""
    return json_response(error.status, {"code": error.code, "message": error.message}, headers=error.headers)


def bad_request(message: str) -> HttpError:
    """Make the refusal of a request that is not well-formed."""
    return HttpError(400, "bad_request", message)


def not_found(message: str) -> HttpError:
    """Make the refusal of a request for something that is not there."""
    return HttpError(404, "not_found", message)


def conflict(message: str) -> HttpError:
    """Make the refusal of a request that contradicts the state."""
    return HttpError(409, "conflict", message)


def method_not_allowed(method: str, allowed: str) -> HttpError:
    """Make the refusal of a method that the path does not have."""
    message = f"{method} is not supported here; allowed: {allowed}"
    return HttpError(405, "method_not_allowed", message, (("Allow", allowed),))


def json_body(request: HttpRequest, *, undeclared: bool = False) -> object:
    """Parse the body of a request; ``undeclared`` if it may come without a ``Content-Type``.

    Raises:
        HttpError: 415 if it is not declared as JSON, 400 if it is empty or not JSON.

    """
    if not request.body:
        raise bad_request("$: expected an object, got an empty body")
    declared = request.headers.get("Content-Type", "")
    media_type = declared.partition(";")[0].strip().lower()
    if media_type != JSON and not (undeclared and not declared):
        raise HttpError(415, "unsupported_media_type", f"Content-Type: expected {JSON}, got {declared!r}")
    try:
        return wire_format.loads(request.body)
    except ValueError as error:
        raise bad_request(f"$: the body is not valid JSON: {error}") from None
