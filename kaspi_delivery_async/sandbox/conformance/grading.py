"""Grades of an exam: the replies of each case become rows; pure functions."""

from collections.abc import Collection, Sequence

import attrs

from kaspi_delivery_async.sandbox.conformance.cases import Case, Expected
from kaspi_delivery_async.sandbox.conformance.exchange import Problem, Reply
from kaspi_delivery_async.sandbox.conformance.report import Result, Row

UNSENT = "the messages were not sent"


@attrs.frozen(kw_only=True)
class Outcome:
    """A case, and what came back."""

    case: Case
    before: tuple[Reply, ...] = ()
    replies: tuple[Reply, ...] = ()
    """Empty if the messages were not sent."""

    @property
    def sent(self) -> tuple[Reply, ...]:
        """Every reply of the case."""
        return (*self.before, *self.replies)


def accepted_before(case: Case, before: Sequence[Reply]) -> bool:
    """Whether what was sent first was accepted, as far as it should be."""
    return all(reply.accepted for reply in before if reply.message.is_genuine) and len(before) == len(case.before)


def grade(outcomes: Sequence[Outcome], *, secured: bool, local: bool) -> tuple[Row, ...]:
    """Grade an exam: a row for each case, and those that concern all messages."""
    anything = any(reply.accepted for outcome in outcomes for reply in outcome.sent if reply.message.is_genuine)
    known = {reply.problem for _, reply in _demanded(outcomes) if reply.problem is not None}
    rows = [_row(outcome, anything=anything, known=known) for outcome in outcomes]
    return (*_overall(outcomes, secured=secured, local=local), *rows)


def _row(outcome: Outcome, *, anything: bool, known: Collection[Problem]) -> Row:
    case = outcome.case
    result, detail = _result(outcome, anything=anything, known=known)
    times = [reply.seconds for reply in outcome.replies if reply.seconds is not None]
    return Row(
        name=case.name, title=case.title, required=case.required, pages=case.pages, result=result, detail=detail,
        seconds=max(times, default=None),
    )  # fmt: skip


def _result(outcome: Outcome, *, anything: bool, known: Collection[Problem]) -> tuple[Result, str]:
    case = outcome.case
    if not outcome.replies:
        return Result.SKIPPED, "the message before it was not accepted" if outcome.before else UNSENT
    if any(reply.redirected for reply in outcome.replies):
        return Result.SKIPPED, "the response is a redirect: see no-redirect"
    if case.expected is Expected.REFUSED and not anything:
        return Result.SKIPPED, "the receiver accepts no message of the vendor, so that a refusal shows nothing"
    missed = [reply for reply in outcome.replies if not _is_as_expected(reply, case.expected)]
    if not missed:
        return Result.PASSED, ""
    lost = next((reply.problem for reply in missed if reply.problem in known), None)
    if lost is not None:
        return Result.SKIPPED, f"{lost.value}: see {'responds' if lost in _NO_CONNECTION else 'in-time'}"
    seen = f"{_seen(missed[0])} instead of {case.expected}"
    detail = seen if len(outcome.replies) == 1 else f"{seen}, {len(missed)} of {len(outcome.replies)} times"
    return Result.FAILED if case.required else Result.WARNING, detail


_NO_CONNECTION = {Problem.UNREACHABLE, Problem.BROKEN}


def _is_as_expected(reply: Reply, expected: Expected) -> bool:
    if expected is Expected.HANDLED:
        return reply.problem is None and reply.status is not None and reply.status < 500
    return reply.accepted == (expected is Expected.ACCEPTED)


def _seen(reply: Reply) -> str:
    return f"status {reply.status}" if reply.problem is None else reply.problem.value


def _demanded(outcomes: Sequence[Outcome]) -> list[tuple[str, Reply]]:
    """Return the replies to messages that the vendor sends, one at a time, with the name of their case."""
    return [
        (outcome.case.name, reply)
        for outcome in outcomes
        if outcome.case.required and not outcome.case.at_once
        for reply in outcome.sent
        if reply.message.is_genuine
    ]


def _overall(outcomes: Sequence[Outcome], *, secured: bool, local: bool) -> list[Row]:
    demanded = _demanded(outcomes)
    every = [(outcome.case.name, reply) for outcome in outcomes for reply in outcome.sent]
    refused = [
        (outcome.case.name, reply)
        for outcome in outcomes
        if outcome.case.expected is Expected.REFUSED
        for reply in outcome.replies
        if not reply.accepted and not reply.redirected
    ]
    unsent = [outcome for outcome in outcomes if not outcome.sent]
    lost = [(name, each.problem) for name, each in demanded if each.problem in _NO_CONNECTION]
    slow = [(name, each.problem) for name, each in demanded if each.problem in {Problem.SLOW, Problem.ENDLESS}]
    times = [reply.seconds for _, reply in demanded if reply.seconds is not None]
    in_time = _demand(
        "in-time", "every event gets a complete response within 5 s of its leaving", "GS CD WH",
        [f"{name}: {problem.value}" for name, problem in slow if problem]
        + ([f"{len(unsent)} cases were not sent: the receiver is too slow"] if unsent and not lost else []),
    )  # fmt: skip
    return [
        _demand(
            "responds", "every event gets a response", "GS CD WH",
            [f"{name}: {problem.value}" for name, problem in lost if problem],
        ),
        attrs.evolve(in_time, seconds=max(times, default=None)),
        _demand(
            "no-redirect", "no message is redirected: the vendor takes only a 2xx", "GS CD WH",
            [f"{name}: status {reply.status}" for name, reply in every if reply.redirected],
        ),
        _demand(
            "refusal-status", "what is refused gets a 4xx", "",
            [
                f"{name}: {_seen(reply)}" for name, reply in refused
                if reply.problem is not None or reply.status is None or not 400 <= reply.status < 500
            ],
        ),
        _demand(
            "no-error-text", "no response gives away a trace, a secret or the text of an exception", "",
            [f"{name}: {reply.leak}" for name, reply in every if reply.leak is not None],
        ),
        *([] if local else [
            _demand("https", "the receiver is called over HTTPS", "", [] if secured else ["the URL begins with http:"])
        ]),
    ]  # fmt: skip


def _demand(name: str, title: str, pages: str, found: Sequence[str]) -> Row:
    result = Result.PASSED if not found else Result.FAILED if pages else Result.WARNING
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return Row(
        name=name, title=title, required=pages != "", pages=pages, result=result,
        detail=f"{found[0]}{more}" if found else "",
    )  # fmt: skip


def has_stopped(outcome: Outcome) -> bool:
    """Whether a case shows that the receiver responds to nothing in time."""
    return any(reply.problem in {Problem.SLOW, Problem.UNREACHABLE} for reply in outcome.sent)


def is_unreachable(outcome: Outcome) -> bool:
    """Whether no connection was made."""
    return any(reply.problem is Problem.UNREACHABLE for reply in outcome.sent)
