"""What an HTTP answer means: a value, or one typed error with its outcome; pure functions over plain data."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson

from kaspi_delivery_async._wire.converter import ConversionError, structure
from kaspi_delivery_async._wire.headers import believed_pause, is_replay
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

T = TypeVar("T")

KEPT_BODY = 64 * 1024
"""Bytes of an unreadable body that its error keeps."""


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


_NAMING_NO_DELIVERY = frozenset({"create_delivery", "send_test_webhook"})

_PRINTABLE_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DELIVERY_ID = re.compile(rb'"deliveryId"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]{1,128})"')


def read_answer(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    operation: str,
    result: type[T],
    conflict: type[ConflictError],
) -> T:
    """Return the answer's value, or raise the `ApiError` or `UnreadableResponseError` that it stands for."""
    if status // 100 != 2:
        raise _api_error(status, headers, body, operation=operation, conflict=conflict)
    try:
        return structure(orjson.loads(body), result)
    except orjson.JSONDecodeError:
        problem = "its body is not JSON"
    except ConversionError as error:
        problem = f"its body is not the promised {result.__name__} ({error})"
    raise UnreadableResponseError(
        f"the server answered {status}, but {problem}; the request was probably carried out, so look before repeating",
        status=status,
        body=body[:KEPT_BODY],
        delivery_id=_find_delivery_id(body),
        operation=operation,
    )


def _find_delivery_id(body: bytes) -> str | None:
    found = _DELIVERY_ID.search(body[:KEPT_BODY])
    return found[1].decode("ascii") if found else None


def _api_error(
    status: int, headers: Mapping[str, str], body: bytes, *, operation: str, conflict: type[ConflictError]
) -> ApiError:
    code, message = _error_body(body)
    kind, advice = _classify(status, operation, conflict)
    named = f" ({code})" if code and _PRINTABLE_CODE.fullmatch(code) else ""
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return kind(
        f"the server answered {status}{named}: {advice}",
        status=status,
        code=code,
        message=message,
        operation=operation,
        outcome=_OUTCOMES.get(status, Outcome.REJECTED if client_error else Outcome.UNKNOWN),
        replayed=is_replay(headers),
        retry_after=believed_pause(headers),
    )


def _classify(status: int, operation: str, conflict: type[ConflictError]) -> tuple[type[ApiError], str]:
    if status == HTTPStatus.NOT_FOUND and operation in _NAMING_NO_DELIVERY:
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


def _error_body(body: bytes) -> tuple[str | None, str | None]:
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, None
    if not isinstance(values, dict):
        return None, None
    fields = cast("dict[str, Any]", values)
    code, message = fields.get("code"), fields.get("message")
    return code if isinstance(code, str) else None, message if isinstance(message, str) else None
