"""Findings of a check of the set-up, each with what to do about it: pure rules over settings and responses."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlsplit

import attrs

from kaspi_delivery_async.cli.check.probe import ProbeResult
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

_API_PATH = re.compile(r"/v1(?:/deliveries)?/*$", re.IGNORECASE)
"""The end of a base URL that names the API's own paths."""

_EVENT = (
    b'{"eventId": "wh_check", "type": "delivery.created", "data": {"deliveryId": "dlv_check", "status": "created"}}'
)


class CheckStatus(StrEnum):
    """Status of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen
class Finding:
    """The result of one check."""

    check: str
    """The name of the check."""
    status: CheckStatus
    detail: str
    """What was found and what to do."""
    code: ExitCode = ExitCode.DONE
    """The exit code that follows from it."""


def exit_code_of(findings: Iterable[Finding]) -> ExitCode:
    """Choose the exit code: that of the first check that failed."""
    return next((finding.code for finding in findings if finding.status is CheckStatus.FAILED), ExitCode.DONE)


def refused(check: str, error: KaspiDeliveryError) -> Finding:
    """Report a setting that was refused."""
    return Finding(check, CheckStatus.FAILED, explanation(error), exit_code(error))


def skipped(check: str, reason: str) -> Finding:
    """Report a check that could not be made."""
    return Finding(check, CheckStatus.SKIPPED, reason)


def about_settings(base_url: str) -> Finding:
    """Report the URL that the settings lead to, with a warning for another path on a host of the vendor."""
    known = {environment.base_url: str(environment) for environment in Environment}
    name = known.get(base_url, "neither the vendor's sandbox nor its production")
    host = urlsplit(base_url).hostname
    nearest = next((url for url in known if urlsplit(url).hostname == host and url != base_url), None)
    if nearest is not None and base_url not in known:
        return Finding("settings", CheckStatus.WARNING, f"{base_url} is called; the vendor's URL there is {nearest}")
    return Finding("settings", CheckStatus.OK, f"{base_url} ({name}) is called with KASPI_API_KEY")


def about_connection(result: ProbeResult, *, base_url: str) -> Finding:
    """Report whether the server is reached and its certificate is valid."""
    parts = urlsplit(base_url)
    host = parts.hostname
    match result.error:
        case CertificateError():
            return _failed(
                "connection",
                f"the TLS certificate of {host} is not valid; check the base URL and this machine's clock, and, if a "
                "proxy intercepts TLS here, set SSL_CERT_FILE to its CA",
            )
        case TransportError(outcome=Outcome.NOT_SENT) as error:
            return _failed(
                "connection",
                f"{host}: {error.args[0]}; check the base URL, and that no firewall is in between (the client uses "
                "no proxy)",
            )
        case TransportError() as error:
            return _failed(
                "connection", f"{host}: {error.args[0]}; the server was reached; try again, then ask its operator"
            )
        case _:
            secured = "its TLS certificate is valid" if parts.scheme == "https" else "without TLS, on this machine"
            return Finding("connection", CheckStatus.OK, f"{host} responds, {secured}")


def about_key(result: ProbeResult, *, base_url: str, unkeyed: ProbeResult | None) -> Finding:
    """Report whether the API accepts the key; ``unkeyed`` is the result for a key that it cannot accept.

    A 404 means that the key was accepted (Source: RF), unless the server gives it to everyone, or the path of the base
    URL already has what the client adds.
    """
    match result.error:
        case TransportError():
            return skipped("key", "the server did not respond")
        case NotFoundError() if unkeyed is not None and isinstance(unkeyed.error, NotFoundError):
            return _failed(
                "key",
                "the server responds 404 whatever the key, so this is hardly the Delivery API; check the path of the "
                "base URL (the vendor's end in /delivery)",
            )
        case NotFoundError() if (surplus := _API_PATH.search(urlsplit(base_url).path)) is not None:
            return _failed(
                "key",
                f"the server responds 404, and the base URL ends in {surplus[0]}, which the client adds itself; leave "
                "it out",
            )
        case NotFoundError():
            return Finding("key", CheckStatus.OK, "the API accepts it")
        case AuthenticationError():
            return _failed(
                "key",
                f"the server responded 401: the key is not accepted at {base_url}; sandbox and production have keys of "
                "their own, so put the one that the partner console shows for it into KASPI_API_KEY",
            )
        case PermissionDeniedError():
            return _failed(
                "key",
                "the server responded 403: the key is disabled; enable it in the partner console, or make another",
            )
        case RateLimitedError(retry_after=wait):
            when = f"in {wait:.0f} s" if wait else "in a minute"
            return _failed("key", f"the server responded 429: too many requests now; check again {when}")
        case ServerError(status=status):
            return _failed("key", f"the server responded {status}: it has failed; check again later")
        case ApiError(status=status):
            return _failed(
                "key", f"the server responded {status}, which the Delivery API never does; check the base URL"
            )
        case _:
            return _failed(
                "key",
                "the server responded with success for a delivery that cannot exist, so it is hardly the Delivery API; "
                "check the base URL",
            )


def about_clock(result: ProbeResult) -> Finding:
    """Report how far this machine's clock is from the server's: webhooks are refused by their age (Source: WH)."""
    try:
        date = datetime.strptime(result.date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return skipped("clock", "no response has a date")
    ahead = result.received_at - date.timestamp()
    skew = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    if abs(ahead) > TOLERANCE:
        return _failed("clock", f"{skew}: webhooks would be refused as too old or too new; set it, best by NTP")
    if abs(ahead) > LARGEST_SKEW:
        return Finding(
            "clock", CheckStatus.WARNING, f"{skew}: at {TOLERANCE} s webhooks are refused; set it, best by NTP"
        )
    return Finding("clock", CheckStatus.OK, f"within {LARGEST_SKEW:.0f} s of the server's")


def about_webhooks(secrets: Sequence[str], *, now: float) -> Finding:
    """Sign a message with each secret and verify it; raises `ConfigurationError` for what is no secret."""
    verifier = WebhookVerifier(secrets)
    for secret in secrets:
        headers = {SIGNATURE_HEADER: sign(secret, int(now), _EVENT), TIMESTAMP_HEADER: str(int(now))}
        verifier.verify(_EVENT, headers, received_at=now)
    counted = "the secret signs and verifies" if len(secrets) == 1 else f"all {len(secrets)} secrets sign and verify"
    return Finding(
        "webhooks", CheckStatus.OK, f"{counted}; only a real event can show whether the vendor signs with it"
    )


def _failed(check: str, detail: str) -> Finding:
    return Finding(check, CheckStatus.FAILED, detail, ExitCode.FAILED)
