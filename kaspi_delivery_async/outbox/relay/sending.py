"""Sends what is due: claims entries, calls the API for several at once, and writes down what follows."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from kaspi_delivery_async._call.state import BEFORE_ATTEMPT, KEY_AGE, may_have_arrived
from kaspi_delivery_async._exactly_once.decisions import (
    OrderUpdate,
    put_back,
    update_after_error,
    update_after_response,
)
from kaspi_delivery_async._exactly_once.states import OrderState
from kaspi_delivery_async._tracking.follower import FIRST_INTERVAL
from kaspi_delivery_async.errors import KaspiDeliveryError, StorageError
from kaspi_delivery_async.outbox.decisions import after_call, in_doubt

if TYPE_CHECKING:
    from kaspi_delivery_async.client import DeliveryClient
    from kaspi_delivery_async.outbox.relay.changes import Changes, Decision
    from kaspi_delivery_async.outbox.relay.claims import Claim, Claims
    from kaspi_delivery_async.outbox.relay.pauses import Pauses
    from kaspi_delivery_async.outbox.relay.wakes import Wakes

AHEAD = 4
"""Entries that a relay holds, as a multiple of the concurrency: in flight, or claimed ahead."""

RETRY = 1.0
"""Seconds between tries while the database cannot be used."""

_logger = logging.getLogger(__name__)


class Sending:
    """Sends the entries of one relay."""

    def __init__(
        self,
        client: DeliveryClient,
        *,
        claims: Claims,
        changes: Changes,
        pauses: Pauses,
        wakes: Wakes,
        concurrency: int,
    ) -> None:
        self._client = client
        self._claims = claims
        self._changes = changes
        self._pauses = pauses
        self._wakes = wakes
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: dict[asyncio.Task[None], int] = {}
        """Calls in flight and claims ahead, each with its entry's number."""
        self._may_hold_more = False
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Send until the relay ends."""
        while not self._wakes.stopping:
            self._wakes.sending.clear()
            self._room.clear()
            if (left := self._pauses.left) > 0:
                await self._wakes.rest(left)
                continue
            limit = self._free()
            if limit == 0:
                await self._room.wait()
                continue
            try:
                if self._may_hold_more:
                    await self._claims.release_others(self._tasks.values())
                    self._may_hold_more = False
                claims = await self._claims.claim(limit)
            except StorageError as error:
                self._may_hold_more = True
                _logger.warning("the relay cannot claim orders, trying again: %s", error)
                await self._wakes.rest(RETRY)
                continue
            for claim in claims:
                task = asyncio.create_task(self._send(claim))
                self._tasks[task] = claim.number
                task.add_done_callback(self._sent)
            if len(claims) < limit and not self._wakes.stopping:
                await self._wakes.sending.wait()

    async def finish(self) -> None:
        """Wait until the calls in flight have ended, and what was claimed ahead is given back."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def abort(self) -> None:
        """Cancel the calls in flight."""
        for task in self._tasks:
            task.cancel()

    def _free(self) -> int:
        """Return how many entries to claim: as many as can be sent, and some ahead; one to try while paused."""
        if self._pauses.faults:
            return 0 if self._tasks else 1
        held = len(self._tasks)
        # Not one by one: a claim costs a transaction.
        return AHEAD * self._concurrency - held if 2 * held <= AHEAD * self._concurrency else 0

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._room.set()

    async def _send(self, claim: Claim) -> None:
        if not claim.is_young:
            await self._note(claim, partial(in_doubt, owner=self._claims.owner))
            _logger.error("the order %r is in doubt: it was sent 23 h ago without a response", claim.order_id)
            return
        try:
            await self._slots.acquire()
        except asyncio.CancelledError:
            self._give_back(claim)
            raise
        try:
            # The wait for a slot may have outlived the relay, the entry's key, or the lease.
            if self._wakes.stopping or self._pauses.left > 0 or not self._claims.may_send(claim):
                update = put_back(may_have_arrived=claim.may_have_arrived)
            else:
                update = await self._call(claim)
        finally:
            self._slots.release()
        # However long the results of calls cannot be written down, no more are sent than were claimed ahead.
        await self._note(claim, self._decision(update))
        if update.state in {OrderState.CREATED, OrderState.REJECTED}:
            await self._pauses.end()

    async def _call(self, claim: Claim) -> OrderUpdate:
        try:
            BEFORE_ATTEMPT.set(partial(self._claims.before_attempt, claim))  # for this entry's task
            KEY_AGE.set(self._claims.key_age(claim))
            return update_after_response(await self._client.send(claim.operation))
        except KaspiDeliveryError as error:
            if not may_have_arrived(error) and not self._claims.may_send(claim):
                return put_back(may_have_arrived=claim.may_have_arrived)
            update = update_after_error(error, may_have_arrived=claim.may_have_arrived)
            if update.ends_run:
                await self._pauses.broken(str(error))
            elif update.pause is not None and (update.again or update.pause > 0):
                await self._pauses.rate_limited(update.pause)
            return update
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                if not may_have_arrived(error):
                    self._give_back(claim)
                raise
            # Also if nobody cancels this task: something that the function waited for was cancelled.
            _logger.exception("the client's own function failed")
            await self._pauses.broken(f"{type(error).__name__} in a function of the client, such as `api_key`")
            return put_back(may_have_arrived=claim.may_have_arrived or may_have_arrived(error))

    async def _note(self, claim: Claim, decision: Decision) -> None:
        """Write down what follows, however long the database cannot be used; ends with the relay."""
        while True:
            try:
                await self._changes.add(claim.number, decision)
            except StorageError as error:
                _logger.warning("the result of an order could not be written down, trying again: %s", error)
                if self._wakes.stopping:  # it stays sent, which is the cautious way to be wrong
                    return
                await self._wakes.rest(RETRY)
            else:
                self._wakes.ended()
                return

    def _give_back(self, claim: Claim) -> None:
        update = put_back(may_have_arrived=claim.may_have_arrived)
        self._changes.add_quietly(claim.number, self._decision(update))

    def _decision(self, update: OrderUpdate) -> Decision:
        return partial(after_call, update=update, owner=self._claims.owner, first_poll=FIRST_INTERVAL)
