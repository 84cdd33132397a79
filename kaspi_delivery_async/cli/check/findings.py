"""What a check of the set-up finds, and what to do about it: pure rules over settings and answers."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async.cli.check.probe import Reply
from kaspi_delivery_async.cli.exit_codes import ExitCode, exit_code, explanation
from kaspi_delivery_async.errors import (
    ApiError,
    AuthenticationError,
    CertificateError,
    KaspiDeliveryError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from kaspi_delivery_async.options import Environment
from kaspi_delivery_async.webhooks.verifier import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOLERANCE,
    WebhookVerifier,
    sign,
)

LARGEST_SKEW = 60.0
"""Seconds between this clock and the server's that need no remark."""

_EVENT = (
    b'{"eventId": "wh_check", "type": "delivery.created", "data": {"deliveryId": "dlv_check", "status": "created"}}'
)


class Result(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen
class Finding:
    """One check, and what it came to."""

    check: str
    """What was checked, in a word."""
    result: Result
    detail: str
    """What was found and what to do."""
    code: ExitCode = ExitCode.DONE
    """The exit code that it asks for."""


def verdict(findings: Iterable[Finding]) -> ExitCode:
    """Choose the exit code: that of the first thing that is wrong."""
    return next((finding.code for finding in findings if finding.result is Result.FAILED), ExitCode.DONE)


def refused(check: str, error: KaspiDeliveryError) -> Finding:
    """Tell of a setting that was refused."""
    return Finding(check, Result.FAILED, explanation(error), exit_code(error))


def skipped(check: str, reason: str) -> Finding:
    """Tell of what could not be checked."""
    return Finding(check, Result.SKIPPED, reason)


def about_settings(base_url: str) -> Finding:
    """Tell where the settings lead."""
    known = (str(environment) for environment in Environment if environment.base_url == base_url)
    name = next(known, "neither the vendor's sandbox nor its production")
    return Finding("settings", Result.OK, f"{base_url} ({name}) is called with KASPI_API_KEY")


def about_connection(reply: Reply, *, base_url: str) -> Finding:
    """Tell whether the server is reached, and is who it says."""
    parts = urlsplit(base_url)
    host = parts.hostname
    match reply.error:
        case CertificateError():
            return _failed(
                "connection",
                f"the TLS certificate of {host} does not hold; check the base URL and this machine's clock, and, if a "
                "proxy reads along here, let SSL_CERT_FILE name its CA",
            )
        case TransportError(outcome=Outcome.NOT_SENT) as error:
            return _failed(
                "connection",
                f"{host}: {error.args[0]}; check the base URL, and that no firewall stands between (the client uses "
                "no proxy)",
            )
        case TransportError() as error:
            return _failed("connection", f"{host}: {error.args[0]}; it was reached; try again, then ask who runs it")
        case _:
            secured = "its TLS certificate holds" if parts.scheme == "https" else "without TLS, on this machine"
            return Finding("connection", Result.OK, f"{host} answers, {secured}")


def about_key(reply: Reply, *, base_url: str, unkeyed: Reply | None) -> Finding:
    """Tell whether the API takes the key; ``unkeyed`` is its reply to a key that cannot be good.

    A 404 means that the key was taken (Source: RF), unless the server says so to everyone.
    """
    match reply.error:
        case TransportError():
            return skipped("key", "there is no answer to tell from")
        case NotFoundError() if unkeyed is not None and isinstance(unkeyed.error, NotFoundError):
            return _failed(
                "key",
                "the server answers 404 whatever the key, so this is hardly the Delivery API; check the path of the "
                "base URL (the vendor's end in /delivery)",
            )
        case NotFoundError():
            return Finding("key", Result.OK, "the API takes it")
        case AuthenticationError():
            return _failed(
                "key",
                f"the server answered 401: the key is not good at {base_url}; sandbox and production have keys of "
                "their own, so put the one that the partner console shows for it into KASPI_API_KEY",
            )
        case PermissionDeniedError():
            return _failed(
                "key",
                "the server answered 403: the key is disabled; enable it in the partner console, or make another",
            )
        case RateLimitedError(retry_after=wait):
            when = f"in {wait:.0f} s" if wait else "in a minute"
            return _failed("key", f"the server answered 429: too many requests now; check again {when}")
        case ServerError(status=status):
            return _failed("key", f"the server answered {status}: it has failed; check again later")
        case ApiError(status=status):
            return _failed("key", f"the server answered {status}, as the Delivery API never does; check the base URL")
        case _:
            return _failed(
                "key",
                "the server answered with success for a delivery that cannot exist, so it is hardly the Delivery API; "
                "check the base URL",
            )


def about_clock(reply: Reply) -> Finding:
    """Tell how far this machine's clock is from the server's, for webhooks are refused by their age (Source: WH)."""
    try:
        date = datetime.strptime(reply.date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return skipped("clock", "there is no answer that tells the time")
    ahead = reply.came_at - date.timestamp()
    skew = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    if abs(ahead) > TOLERANCE:
        return _failed("clock", f"{skew}: webhooks would be refused as too old or too new; set it, best by NTP")
    if abs(ahead) > LARGEST_SKEW:
        return Finding("clock", Result.WARNING, f"{skew}: at {TOLERANCE} s webhooks are refused; set it, best by NTP")
    return Finding("clock", Result.OK, f"within {LARGEST_SKEW:.0f} s of the server's")


def about_webhooks(secrets: Sequence[str], *, now: float) -> Finding:
    """Sign a message with each secret and verify it; raises `ConfigurationError` for what is no secret."""
    verifier = WebhookVerifier(secrets)
    for secret in secrets:
        headers = {SIGNATURE_HEADER: sign(secret, int(now), _EVENT), TIMESTAMP_HEADER: str(int(now))}
        verifier.verify(_EVENT, headers, received_at=now)
    counted = "the secret signs and verifies" if len(secrets) == 1 else f"all {len(secrets)} secrets sign and verify"
    return Finding("webhooks", Result.OK, f"{counted}; whether the vendor signs with it, an event will tell")


def _failed(check: str, detail: str) -> Finding:
    return Finding(check, Result.FAILED, detail, ExitCode.FAILED)
