"""Report of a bulk run: a row for each result while it lasts, and a summary at its end, however it ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import orjson
import typer

from kaspi_delivery_async.bulk import OrderFile, OrderState, Paused, Result
from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.background_writer import CAPACITY, OutputError
from kaspi_delivery_async.cli.bulk.output.progress_bar import ProgressBar
from kaspi_delivery_async.cli.bulk.output.rows import Rows
from kaspi_delivery_async.cli.bulk.output.tally import Tally
from kaspi_delivery_async.cli.bulk.output.text import result_values
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.signals import StopEvent
from kaspi_delivery_async.cli.streams import PATIENCE, say, say_failure, stdout
from kaspi_delivery_async.errors import KaspiDeliveryError, StorageError

if TYPE_CHECKING:
    from kaspi_delivery_async.bulk.dask import WorkersChanged


class Report:
    """Takes the results of a run to the terminal, to a file, and to the summary.

    An output that fails or is not read stops the run: orders in flight complete, and what is missing in each output
    is said on standard error.
    """

    def __init__(self, results: Rows | None, *, as_json: bool, source: OrderFile | None, stop: StopEvent) -> None:
        self._as_json = as_json
        self._source = source
        self._stop = stop
        self._tally = Tally()
        self._progress = ProgressBar(total=source.size if source else None)
        self._stdout = Rows(stdout(), name="standard output", as_json=True, event="result")
        self._outputs = [results] if results is not None else []
        if as_json:
            self._outputs.append(self._stdout)
        self._problems: dict[Rows, OutputError | None] = {}
        """Why outputs could not be written; None for one that was not read."""

    async def follow(self, results: AsyncGenerator[Result]) -> int:
        """Show results until there are no more, then the summary, and return the exit code."""
        code: int | None = None
        fate = "completed"
        try:
            async with aclosing(results):
                with self._progress.shown():
                    async for result in results:
                        await self._show(result)
        except asyncio.CancelledError:
            if self._stop.exit_code is None:
                raise
            fate = "given up, and may have been carried out"
        except KaspiDeliveryError as error:
            # The journal may have failed to note a response even if there is no result.
            may_be_unnoted = isinstance(error, StorageError)
            if not self._tally.states and not may_be_unnoted:
                raise
            say_failure(error, as_json=self._as_json)
            code = ExitCode.OUTCOME_UNKNOWN if may_be_unnoted else self._tally.exit_code or ExitCode.FAILED
        await self._conclude()
        if self._stop.exit_code is not None:
            say(
                f"Interrupted. Orders in flight were {fate}; `bulk status` shows them, the same command resumes the "
                "run."
            )
            return self._stop.exit_code
        return code or self._tally.exit_code or self._exit_code_of_problems

    def announce(self, paused: Paused) -> None:
        """Say that the run pauses."""
        if self._as_json:
            typer.echo(orjson.dumps({"event": "paused", "seconds": paused.seconds}))
        else:
            say(f"Rate limited: resuming in {paused.seconds:.0f} s.")

    def announce_workers(self, change: "WorkersChanged") -> None:
        """Say which workers joined or left, how many orders each has, and why the run waits."""
        self._progress.workers = len(change.in_flight)
        if self._as_json:
            values = {"event": "workers", "inFlight": change.in_flight, "joined": change.joined, "left": change.left}
            typer.echo(orjson.dumps({**values, "reason": change.reason}))
            return
        share = ", ".join(f"{address} has {count} orders" for address, count in change.in_flight.items())
        if self._tally.states:  # those of the beginning are what was asked for
            for address in change.joined:
                say(f"Worker {address} joined: {share}.")
        for address in change.left:
            say(f"Worker {address} left: {share or 'no worker is left'}.")
        if change.reason is not None:
            say(f"Workers: {change.reason}.")

    async def _show(self, result: Result) -> None:
        self._tally.add(result)
        self._progress.update(self._tally, position=self._source.position if self._source else None)
        row = result_values(result)
        for rows in self._outputs:
            rows.add(row)
        for rows in self._outputs:
            await self._wait(rows, pending=CAPACITY)

    async def _conclude(self) -> None:
        for rows in self._outputs:
            await self._wait(rows, pending=0)
        output.emit(self._tally.values(), self._tally.text(), as_json=self._as_json)
        await self._wait(self._stdout, pending=0)
        for rows, problem in self._problems.items():
            reason = "it is not being read" if problem is None else problem
            say(
                f"Error: {rows.name} cannot be written: {reason}. Orders in flight were completed; `bulk export` "
                "shows them, the same command resumes the run."
            )
        if self._stdout in self._problems:
            say(self._tally.text().plain)
        if self._outputs and all(rows in self._problems for rows in self._outputs):
            for row in min((rows.unwritten for rows in self._outputs), key=len):
                fields = (row[name] for name in ("place", "orderId", "state", "deliveryId", "error"))
                say(output.printable("  ".join(str(field) for field in fields if field)))

    async def _wait(self, rows: Rows, *, pending: int) -> None:
        """Wait until an output has caught up, but not for long once the run is to stop."""
        if rows in self._problems:
            return
        try:
            if rows.pending <= pending or (pending and self._stop.is_set()):
                rows.check()
            elif not await self._has_caught_up(rows, pending=pending) and not pending:
                self._problems[rows] = None
        except OutputError as error:
            self._problems[rows] = error
            self._stop.set()

    async def _has_caught_up(self, rows: Rows, *, pending: int) -> bool:
        room = asyncio.ensure_future(rows.room(pending=pending))
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({room, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not room.done() and not pending:
                await asyncio.wait({room}, timeout=None if self._stop.number is None else PATIENCE)
            if room.done():
                await room
            return room.done()
        finally:
            room.cancel()
            stopped.cancel()

    @property
    def _exit_code_of_problems(self) -> ExitCode:
        if not self._problems:
            return ExitCode.DONE
        if all(problem is not None and problem.is_unread for problem in self._problems.values()):
            return ExitCode.UNREAD
        return ExitCode.OUTCOME_UNKNOWN if self._tally.states[OrderState.CREATED] else ExitCode.FAILED
