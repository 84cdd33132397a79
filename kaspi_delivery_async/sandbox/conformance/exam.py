"""Runs an exam: one case after the other while there is time, then the rest at once, then the load."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable

import aiohttp

from kaspi_delivery_async.sandbox.conformance.cases import Case, all_cases
from kaspi_delivery_async.sandbox.conformance.exchange import Reply, Sender
from kaspi_delivery_async.sandbox.conformance.grading import (
    Outcome,
    accepted_before,
    grade,
    has_stopped,
    is_unreachable,
)
from kaspi_delivery_async.sandbox.conformance.messages import Message
from kaspi_delivery_async.sandbox.conformance.report import Report
from kaspi_delivery_async.sandbox.conformance.target import TargetError, find_target
from kaspi_delivery_async.sandbox.webhooks.message import secret_problem

ONE_BY_ONE = 35.0
"""Seconds for which a case begins after the one before it has ended."""

LONGEST_EXAM = 80.0
"""Seconds after which what is left is not sent."""

_STOPPED = 3  # cases without a response, after which the others are not sent one by one


async def examine(url: str, *, secret: str, owned: bool = False, wall: Callable[[], float] = time.time) -> Report:
    """Send a receiver some 250 messages as the vendor would, and grade what it does.

    It ends within 90 seconds, follows no redirect, and connects to no other host. Its events are of deliveries that do
    not exist: ``dlv_exam_…``; the receiver stores and handles them like others.

    Args:
        url: The receiver; on this machine, unless ``owned``.
        secret: The signing secret of the receiver.
        owned: Whether the receiver is the caller's own, wherever it is.
        wall: The time of day, in Unix seconds, by which messages are signed.

    Raises:
        TargetError: The URL or the secret cannot be used; a `ValueError`.

    """
    problem = secret_problem(secret)
    if problem is not None:
        raise TargetError(f"the signing secret: {problem}")
    loop = asyncio.get_running_loop()
    began = loop.time()
    target = await find_target(url, owned=owned)
    exam = _Exam(Sender(target=target, secret=secret, wall=wall), all_cases(secrets.token_hex(4), now=wall()))
    try:
        async with asyncio.timeout_at(began + LONGEST_EXAM):
            await exam.run(until=began + ONE_BY_ONE)
    except TimeoutError:
        pass  # what was not sent has a row that says so
    rows = grade(exam.outcomes(), secured=target.secured, local=target.local)
    return Report(url=target.shown, rows=rows, seconds=loop.time() - began)


class _Exam:
    def __init__(self, sender: Sender, cases: tuple[Case, ...]) -> None:
        self._sender = sender
        self._cases = cases
        self._ended: dict[str, Outcome] = {}

    def outcomes(self) -> list[Outcome]:
        """Return what came back for each case, in the order of the cases."""
        return [self._ended.get(case.name, Outcome(case=case)) for case in self._cases]

    async def run(self, *, until: float) -> None:
        """Run the cases, one by one until a time of the loop."""
        waiting = [case for case in self._cases if not case.is_load]
        await self._run(waiting.pop(0))
        if is_unreachable(self._ended[self._cases[0].name]):
            return
        while waiting and asyncio.get_running_loop().time() < until and self._stopped() < _STOPPED:
            await self._run(waiting.pop(0))
        async with asyncio.TaskGroup() as tasks:
            for case in waiting:
                tasks.create_task(self._run(case))
        for case in self._cases:
            if case.is_load:
                await self._run(case)

    def _stopped(self) -> int:
        return sum(map(has_stopped, self._ended.values()))

    async def _run(self, case: Case) -> None:
        async with self._sender.connections() as session:
            before = await self._in_turn(session, case.before)
            replies: tuple[Reply, ...] = ()
            if accepted_before(case, before):
                replies = await self._replies(session, case)
        self._ended[case.name] = Outcome(case=case, before=before, replies=replies)

    async def _replies(self, session: aiohttp.ClientSession, case: Case) -> tuple[Reply, ...]:
        if case.at_once:
            return tuple(await asyncio.gather(*(self._sender.send(session, message) for message in case.messages)))
        if case.companion is None:
            return await self._in_turn(session, case.messages)
        async with self._sender.companion(case.companion.message, complete=case.companion.complete):
            return await self._in_turn(session, case.messages)

    async def _in_turn(self, session: aiohttp.ClientSession, messages: Iterable[Message]) -> tuple[Reply, ...]:
        replies: list[Reply] = []
        for message in messages:
            replies.append(await self._sender.send(session, message))
            if replies[-1].problem is not None:
                break  # the others would take as long
        return tuple(replies)
