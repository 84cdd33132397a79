"""Faults put back into the package, one at a time, to see whether the simulation finds them.

``python -m tests.simulation.faults_put_back --seeds 2000`` looks for each until an invariant speaks, and prints the
table of docs/reliability.md. A fault is a place, what is written there, and what is put there instead.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import operator
import os
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import attrs

from tests.simulation.world import World


@attrs.frozen
class PutBack:
    """A mend that is taken out, or a fault that others have."""

    name: str
    places: tuple[str, ...]
    """Functions, as ``module:name``, below ``kaspi_delivery_async``; the same is done to each."""
    old: str
    new: str


def _fault(name: str, place: str | tuple[str, ...], old: str, new: str) -> PutBack:
    return PutBack(name, (place,) if isinstance(place, str) else place, old, new)


_KEY_LIFE = (
    "_call.state:CallState.leave", "_call.retry:next_wait", "_exactly_once.decisions:is_young",
    "bulk.journal.claims:Claims.may_send",
)  # fmt: skip

FAULTS = (
    _fault("a new key on each attempt", "_transport.exchange:RequestHeaders.beside", "return merged",
           "merged.update({'Idempotency-Key': str(id(merged))} if 'Idempotency-Key' in merged else {}); return merged"),
    _fault("a new key on each call", "operations:create_delivery", "create_key(order_id)",
           "f'{create_key(order_id)}-{__import__(\"random\").random()}'"),
    _fault("keys are trusted for 24 h", _KEY_LIFE, "RESEND_WINDOW", "RESEND_WINDOW + 3600.0"),
    _fault("keys are trusted for ever", _KEY_LIFE, "RESEND_WINDOW", "1e9"),
    _fault("a key's age by the monotonic clock alone", "_wire.idempotency_keys:KeyAge.at",
           "max(now.wall - wall, now.monotonic - monotonic, 0.0)", "now.monotonic - monotonic"),
    _fault("a resumed run trusts any key", "_exactly_once.decisions:is_young", "sent_at is None or", "True or"),
    _fault("a deadline that leaves out the body", "_transport.exchange:exchange", "content = response.content",
           "deadlines._running.clear(); content = response.content"),
    _fault("an attempt without a deadline", "_transport.deadlines:Deadline.expire", "if self._has_ended", "if True"),
    _fault("retries beyond the call's time", "_call.retry:next_wait", "< context.remaining", "< 1e9"),
    _fault("a later refusal takes back what may have arrived", "_call.state:CallState._record_failure",
           "max(self.outcome, outcome, key=_GRAVITY.__getitem__)", "outcome"),
    _fault("a lost connection counts as not sent", "_transport.exchange:exchange",
           "has_left=body is None or body.has_left", "has_left=False"),
    _fault("a run forgets that an earlier call may have arrived", "_exactly_once.decisions:update_after_error",
           "may_have_arrived or error.outcome is Outcome.UNKNOWN", "False"),
    _fault("a call changes its API key after a lost response", "_call.state:CallState._record_failure",
           "self.pinned_key = api_key", "pass"),
    _fault("an unasked response is taken", "_transport.aiohttp_overrides:FreshConnector.check",
           "or protocol.should_close", "or False"),
    _fault("a 429 stops nobody", "_call.throttle:Throttle.throttle",
           "self.paused_until = max(self.paused_until, now + pause * (1 + PAUSE_JITTER * draw))", "pass"),
    _fault("Retry-After is not read", "_call.throttle:Throttle.throttle", "if retry_after is None", "if True"),
    _fault("a failed exchange keeps its turn", "_call.engine:Engine._exchange",
           "        context.queue.leave()\n", "        failure is None and context.queue.leave()\n"),
    _fault("a status moves back", "status:is_news", "return all(", "return True or all("),
    _fault("a wait ends at any status", "status:is_reached", "rank >= goal", "True"),
    _fault("a lost wake-up of the inbox", "webhooks.inbox:WebhookInbox.receive", "running.worker.wake()", "pass"),
    _fault("a lost wake-up of the hub", "_tracking.hub:StatusHub.announce", "listener.put_nowait(change)", "pass"),
    _fault("an event is acknowledged before the commit", "webhooks.stores.sql:SqlStore.add",
           "return await connected.adding.submit(message)", "connected.adding.add(message); return True"),
    _fault("an event is done before its handler", "webhooks.worker:Worker._handle", "error = await",
           "await self._store.update(run.lease, decide(None, attempt=1, policy=self._policy, draw=0)); error = await"),
    _fault("a handler that failed counts as done", "webhooks.decisions:decide", "error is None", "True"),
    _fault("leases by a clock that is set", "webhooks.stores.statements:now", "time.monotonic()", "time.time()"),
    _fault("a killed worker's leases never end", "webhooks.worker:Worker._take_up", "seconds=LEASE", "seconds=1e6"),
    _fault("two handlers for one event", "webhooks.worker:Worker._take_up", "seconds=LEASE, limit=free",
           "seconds=0.0, limit=free"),
    _fault("the client's connections are left open", "_transport.sessions:Sessions.close",
           "await lifetime.aclose()", "pass"),
    _fault("closing opens the database again", "webhooks.stores.sql:SqlStore._add", "self._transact(connected,",
           "self._transact(await self._opened.get(),"),
    _fault("a connection that cannot be set up stays open", "_database.sqlite:SqliteFile._connect",
           "connection.close()", "pass"),
    _fault("a file that fails cannot be closed", "_database.sqlite:SqliteFile._truncate_log",
           "except self.failures", "except ZeroDivisionError"),
    _fault("an error shows the request's body", "_call.state:CallState.fail", "error.operation = self.operation.name",
           "error.operation = f'{self.operation.name} {self.operation.body!r}'"),
)  # fmt: skip


def _patches(fault: PutBack) -> ExitStack:
    stack = ExitStack()
    for place in fault.places:
        module_name, _, path = place.partition(":")
        module = importlib.import_module(f"kaspi_delivery_async.{module_name}")
        *owners, name = path.split(".")
        owner: Any = operator.attrgetter(".".join(owners))(module) if owners else module
        source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
        if fault.old not in source:
            raise LookupError(f"{place} has changed: {fault.old!r} is not there")
        made: dict[str, Any] = {}
        code = compile("from __future__ import annotations\n" + source.replace(fault.old, fault.new), place, "exec")
        exec(code, vars(module), made)  # noqa: S102 - the package's own code, with a fault in it
        stack.enter_context(patch.object(owner, name, made[name]))
        for other in [] if owners else [*sys.modules.values()]:  # who has imported the function
            is_ours = getattr(other, "__name__", "").startswith("kaspi_delivery_async.") and other is not module
            if is_ours and hasattr(other, name):
                stack.enter_context(patch.object(other, name, made[name]))
    return stack


def find(fault: PutBack, *, seeds: int) -> tuple[PutBack, int | None, str]:
    """Run seeds until an invariant speaks; return how many it took, and which invariant."""
    with _patches(fault):
        for seed in range(seeds):
            world = World(seed).run()
            if world.violations:
                return fault, seed + 1, world.violations[0][0]
    return fault, None, ""


def main() -> int:
    """Look for every fault, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="a part of the faults' names")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in fault.name]
    found = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for done in as_completed([pool.submit(find, fault, seeds=options.seeds) for fault in faults]):
            fault, count, invariant = done.result()
            found += count is not None
            row = f"| {fault.name} | {'not found' if count is None else count} | {invariant} |\n"
            sys.stdout.write(row)
            sys.stdout.flush()
    sys.stdout.write(f"\n{found} of {len(faults)} found within {options.seeds} seeds\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
