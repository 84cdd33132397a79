"""What each kind of fault does, in words."""

from collections.abc import Mapping
from types import MappingProxyType

from kaspi_delivery_async.sandbox.deliveries import lifecycle
from kaspi_delivery_async.sandbox.faults.fault import (
    EVERY_EVENT,
    EVERY_OPERATION,
    OWN_SETTINGS,
    WEBHOOK_KINDS,
    FaultKind,
    wire_name,
)
from kaspi_delivery_async.sandbox.routes import OPERATIONS

DESCRIPTIONS: Mapping[FaultKind, str] = MappingProxyType({
    FaultKind.LATENCY: "the request is handled `seconds` late, even if its client has gone; goes with another fault",
    FaultKind.STALL: "the request is never handled; after `seconds`, if given, its connection is reset",
    FaultKind.DROP_BEFORE: "the connection is reset before the request is handled",
    FaultKind.COMMIT_THEN_DROP: "the request is handled, then the connection is reset without a response",
    FaultKind.COMMIT_THEN_STALL: "the request is handled, and never responded to; reset after `seconds`, if given",
    FaultKind.TRUNCATE: "the request is handled, and the response breaks off in its body",
    FaultKind.STATUS: "the response has `status` instead, and the request is not handled",
    FaultKind.RATE_LIMIT: "requests beyond `rate` per second get 429, until the time that Retry-After named",
    FaultKind.WITHOUT: "the response lacks `field`, such as eta or eta.pickupBy",
    FaultKind.UNKNOWN_STATUS: "the delivery in the response has the status `value`, which no page describes",
    FaultKind.DUPLICATE: "the attempt is sent twice at once",
    FaultKind.REORDER: "the attempt waits until the delivery's next event has been sent, `seconds` at most",
    FaultKind.DELAY: "the attempt is sent `seconds` late; goes with another fault",
    FaultKind.DROP: "the attempt is lost on the way; as after any failure, another one follows",
    FaultKind.BAD_SIGNATURE: "the signature is made with a wrong secret",
    FaultKind.CLOCK_SKEW: "the timestamp is `seconds` ahead (behind, if negative), and properly signed",
    FaultKind.UNKNOWN_EVENT: "the event reports the status `value`, which no page describes",
})  # fmt: skip


def fault_help() -> str:
    """Describe the text form of faults: targets, kinds and the settings of each."""
    lines = [
        "A fault is TARGET:KIND[:PROBABILITY][:NAME=VALUE]..., such as create:commit-then-drop:0.05.",
        "Every kind takes count=, order= (an externalOrderId); those of requests also key= (an idempotency key).",
    ]
    for heading, targets, kinds in (
        ("Of requests", (*OPERATIONS, EVERY_OPERATION), set(FaultKind) - WEBHOOK_KINDS),
        ("Of webhooks", (EVERY_EVENT, *lifecycle.EVENT_TYPES.values()), WEBHOOK_KINDS),
    ):
        lines += ["", f"{heading}; TARGET is {', '.join(targets)}:"]
        for kind in (each for each in FaultKind if each in kinds):
            settings = "".join(f" {wire_name(name)}=" for name in OWN_SETTINGS.get(kind, {}))
            lines.append(f"  {kind:18} {DESCRIPTIONS[kind]}{f' [{settings.strip()}]' if settings else ''}")
    lines += ["", "A status itself may stand for the kind: create:503 is create:status:status=503."]
    return "\n".join(lines)
