"""Reads an HTTP response as a value, or as one typed error with its outcome; pure functions over plain data."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar, cast

from kaspi_delivery_async._wire.body import load_body, unpack
from kaspi_delivery_async._wire.conversion.converter import structure_tolerantly
from kaspi_delivery_async._wire.conversion.thorough import ConversionError
from kaspi_delivery_async._wire.headers import believed_pause, is_replay
from kaspi_delivery_async._wire.order_ids import canonical_order_id
from kaspi_delivery_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    CancelNotAllowedError,
    ConflictError,
    IdempotencyConflictError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnreadableResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspi_delivery_async._operation_spec import OperationSpec

T = TypeVar("T")

KEPT_BODY = 64 * 1024
"""Bytes of an unreadable body that its error keeps."""

LONGEST_ID = 4096
"""Characters of an id that are compared with the one that was asked for."""

KEPT_TEXT = 8 * 1024
"""Characters of a server's code and message that an error keeps."""


_ERRORS: dict[int, tuple[type[ApiError], str]] = {
    400: (BadRequestError, "the request is malformed; `.message` holds the server's explanation"),
    401: (AuthenticationError, "check the API key: sandbox and production keys differ"),
    403: (PermissionDeniedError, "the API key is disabled; enable it or make another in the partner console"),
    404: (NotFoundError, "there is no such delivery in this environment"),
    405: (ApiError, "this address does not take the operation; check `base_url`"),
    407: (ApiError, "a proxy refused the request; check the session's `proxy` and its credentials"),
    408: (ApiError, "the request did not arrive in time, or what it was passed on to did not respond"),
    415: (ApiError, "this address does not take JSON; check `base_url`"),
    421: (ApiError, "the connection led to another server; check `base_url`"),
    423: (ApiError, "it is locked: an earlier request under the same idempotency key may be at work"),
    425: (ApiError, "it came too early on its connection, and was not processed"),
    499: (ApiError, "a proxy gave the request up after it was passed on"),
    429: (RateLimitedError, "too many requests; wait `.retry_after` seconds"),
}

_OUTCOMES = {407: Outcome.NOT_SENT, 408: Outcome.UNKNOWN, 423: Outcome.UNKNOWN, 499: Outcome.UNKNOWN}
"""Of statuses that are no refusal by the server, although they are 4xx (RFC 9110, 15.5; RFC 4918, 11.3)."""

_CONFLICTS: dict[type[ConflictError], str] = {
    ConflictError: "it contradicts what the server holds",
    IdempotencyConflictError: "the idempotency key was used with another payload; a new order needs a key of its own",
    CancelNotAllowedError: "it is too late to cancel, or the idempotency key was used with another reason",
}


_PRINTABLE_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DELIVERY_ID = re.compile(rb'"deliveryId"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]{1,128})"')


def read_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    spec: OperationSpec[T],
    conflict: type[ConflictError],
    about: tuple[str, str] | None,
) -> T:
    """Return the value of a response, or raise the `ApiError` or `UnreadableResponseError` that it stands for.

    ``conflict`` is what a 409 stands for; ``about`` is a field and the id that it holds, if the response has it.
    """
    if status // 100 != 2:
        raise _api_error(status, headers, body, operation=spec.name, conflict=conflict, about=about)
    if spec.result is type(None):
        return spec.result()  # None: whatever a body may hold, nothing of it is described
    delivery_id = None
    try:
        values = load_body(headers, body)
        value = structure_tolerantly(values, spec.result, spec.name)
        if about is None or _is_about(values, about[0], about[1]):
            return value
        problem = f"its {about[0]} is not the one that was asked for"
    except ConversionError as error:
        body = _unpacked(headers, body)
        delivery_id = _find_delivery_id(body)
        problem = f"its body is no {spec.result.__name__} ({error})"
    advice = "the request was probably carried out, so look the delivery up before sending it again"
    if spec.method == "GET":
        advice = "check `base_url`, or try again later"
    raise UnreadableResponseError(
        f"HTTP {status}, but {problem}; {advice}",
        status=status,
        body=body[:KEPT_BODY],
        delivery_id=delivery_id,
        operation=spec.name,
    )


def _is_about(values: dict[str, object], field: str, wanted: str) -> bool:
    """Whether the response is about the id that was asked for; one that does not give it back is."""
    given = values.get(field)
    if given == wanted or type(given) not in {str, int}:
        return True
    text = str(given)
    return len(text) <= LONGEST_ID and canonical_order_id(text) == canonical_order_id(wanted)


def _unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    try:
        return unpack(headers, body)
    except ConversionError:
        return body


def _find_delivery_id(body: bytes) -> str | None:
    found = _DELIVERY_ID.search(body[:KEPT_BODY])
    return found[1].decode("ascii") if found else None


def _api_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    operation: str,
    conflict: type[ConflictError],
    about: tuple[str, str] | None,
) -> ApiError:
    code, message = _error_body(headers, body)
    kind, advice = _classify(status, conflict, about)
    named = f" ({code})" if code and _PRINTABLE_CODE.fullmatch(code) else ""
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return kind(
        f"HTTP {status}{named}: {advice}",
        status=status,
        code=code,
        message=message,
        operation=operation,
        outcome=_OUTCOMES.get(status, Outcome.REJECTED if client_error else Outcome.UNKNOWN),
        replayed=is_replay(headers),
        retry_after=believed_pause(headers),
    )


def _classify(status: int, conflict: type[ConflictError], about: tuple[str, str] | None) -> tuple[type[ApiError], str]:
    if status == HTTPStatus.NOT_FOUND and (about is None or about[0] != "deliveryId"):  # it named no delivery
        return NotFoundError, "this server does not know the operation; check `base_url`"
    if status == HTTPStatus.CONFLICT:
        return conflict, _CONFLICTS[conflict]
    if status in _ERRORS:
        return _ERRORS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerError, "it failed, and may have done the work before"
    if status < HTTPStatus.BAD_REQUEST:
        return ApiError, "a redirect, which is not followed: it would carry the API key elsewhere; check `base_url`"
    return ApiError, "it refused the request"


def _error_body(headers: Mapping[str, str], body: bytes) -> tuple[str | None, str | None]:
    try:
        values = load_body(headers, body)
    except ConversionError:
        return None, None
    if not isinstance(values, dict):
        return None, None
    fields = cast("dict[str, object]", values)
    return _kept_text(fields.get("code")), _kept_text(fields.get("message"))


def _kept_text(value: object) -> str | None:
    return value[:KEPT_TEXT] if isinstance(value, str) else None
