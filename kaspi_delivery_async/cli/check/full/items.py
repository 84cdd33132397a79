"""The fourteen items of the go-live checklist, and how each is judged: pure rules over what was found and confirmed."""

from collections.abc import Sequence
from enum import StrEnum

import attrs


class ItemStatus(StrEnum):
    """Status of an item."""

    OK = "ok"
    OPEN = "open"
    """Nobody has confirmed it yet, or what it needs was not given."""
    FAILED = "failed"


@attrs.frozen
class Evidence:
    """One thing that was found out about an item."""

    is_good: bool | None
    """None if it could not be found out."""
    text: str


def good(text: str) -> Evidence:
    """Return evidence for an item."""
    return Evidence(is_good=True, text=text)


def bad(text: str) -> Evidence:
    """Return evidence against an item."""
    return Evidence(is_good=False, text=text)


def unknown(text: str) -> Evidence:
    """Return why nothing could be found out."""
    return Evidence(is_good=None, text=text)


@attrs.frozen(kw_only=True)
class Confirmation:
    """What a person says about an item."""

    is_met: bool
    by: str
    on: str
    """The date, such as ``2026-11-28``."""
    note: str = ""


@attrs.frozen(kw_only=True)
class Item:
    """An item of the checklist. Source: CL."""

    number: int
    group: str
    title: str
    question: str = ""
    """What only a person can know; empty if all of it can be found out."""


@attrs.frozen(kw_only=True)
class ItemResult:
    """What is known of an item."""

    item: Item
    status: ItemStatus
    evidence: tuple[Evidence, ...]
    confirmation: Confirmation | None


ITEMS = (
    Item(
        number=1, group="Credentials", title="The sandbox key is stored securely",
        question="Is the sandbox key kept in a secret store, where only the service and those who run it can read it?",
    ),
    Item(
        number=2, group="Credentials", title="The production key is ready, and not in source control",
        question="Is the production key in the secret store of production, and was it never in source control?",
    ),
    Item(number=3, group="Credentials", title="x-api-key is on every request, retries included"),
    Item(number=4, group="Credentials", title="Creates and cancels carry idempotency keys"),
    Item(number=5, group="Connectivity", title="Both hosts are reached over HTTPS"),
    Item(
        number=6, group="Connectivity", title="The webhook receiver is on HTTPS, and responds 2xx in under 5 s",
        question="Is the receiver's public URL https, and registered in the partner console?",
    ),
    Item(
        number=7, group="Connectivity", title="Signature validation and retries are logged",
        question="Do your logs show refused webhooks (the exam sends some) and retries, with request ids?",
    ),
    Item(number=8, group="Payloads", title="Each delivery has an externalOrderId of its own"),
    Item(number=9, group="Payloads", title="Contacts have a name and a phone"),
    Item(number=10, group="Payloads", title="Weight, description and value are set"),
    Item(number=11, group="Payloads", title="Optional notes were tried"),
    Item(
        number=12, group="Observability", title="Alerts on spikes of 4xx and 5xx",
        question="Does somebody get an alert when 4xx or 5xx responses pile up, and did you try it?",
    ),
    Item(
        number=13, group="Observability", title="A dashboard of status transitions and cancellation reasons",
        question="Is there a dashboard of status transitions and of the reasons of cancellations?",
    ),
    Item(
        number=14, group="Observability", title="Webhook retries are watched, and there is a dead-letter queue",
        question="Does somebody watch the webhook attempts and the dead letters, and replay them?",
    ),
)  # fmt: skip
"""Source: CL."""


def judge(item: Item, evidence: Sequence[Evidence], confirmation: Confirmation | None) -> ItemResult:
    """Judge an item: what was found wins, then a person has to confirm what only a person can know."""
    if any(each.is_good is False for each in evidence) or (confirmation is not None and not confirmation.is_met):
        status = ItemStatus.FAILED
    elif (item.question and confirmation is None) or any(each.is_good is None for each in evidence):
        status = ItemStatus.OPEN
    else:
        status = ItemStatus.OK
    return ItemResult(item=item, status=status, evidence=tuple(evidence), confirmation=confirmation)
