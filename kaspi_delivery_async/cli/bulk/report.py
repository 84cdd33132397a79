"""Report of a bulk run, while it lasts and at its end."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import orjson
import typer

from kaspi_delivery_async.bulk import OrderFile, Paused, Result
from kaspi_delivery_async.cli import output
from kaspi_delivery_async.cli.bulk.progress_bar import ProgressBar
from kaspi_delivery_async.cli.bulk.results_file import ResultsFile, opened
from kaspi_delivery_async.cli.bulk.tally import Tally
from kaspi_delivery_async.cli.bulk.text import result_values
from kaspi_delivery_async.cli.exit_codes import ExitCode, explanation
from kaspi_delivery_async.errors import KaspiDeliveryError, StorageError


class Report:
    """Takes the results of a run to the terminal, to a file, and to the summary."""

    def __init__(
        self, results: Path | None, *, as_json: bool, source: OrderFile | None, spared: Sequence[str | Path]
    ) -> None:
        self._results = results
        self._spared = spared
        self._as_json = as_json
        self._source = source
        self._tally = Tally()
        self._progression = ProgressBar(total=source.size if source else None)

    async def follow(self, results: AsyncGenerator[Result]) -> ExitCode:
        """Show results until there are no more; the summary is shown however that ends."""
        try:
            await self._show_all(results)
            self._sum_up()
        except asyncio.CancelledError:
            if self._tally.states:
                self._sum_up()
            raise
        except KaspiDeliveryError as error:
            # The journal may have failed to note an answer, even if no result was seen.
            is_unknown = isinstance(error, StorageError)
            if not self._tally.states and not is_unknown:
                raise
            typer.echo(f"Error: {explanation(error)}", err=True)
            self._sum_up()
            return ExitCode.OUTCOME_UNKNOWN if is_unknown else self._tally.exit_code or ExitCode.FAILED
        except BrokenPipeError:
            raise  # whoever reads has seen enough
        except OSError as error:
            typer.echo(
                f"Error: standard output cannot be written: {error.strerror}; what was under way has ended: see "
                "`bulk status`. The same command continues.",
                err=True,
            )
            return self._tally.exit_code or ExitCode.FAILED
        return self._tally.exit_code

    def announce(self, paused: Paused) -> None:
        """Say that the API wants a rest."""
        if self._as_json:
            typer.echo(orjson.dumps({"event": "paused", "seconds": paused.seconds}))
        else:
            typer.echo(f"The API wants a rest: sending again in {paused.seconds:.0f} s.", err=True)

    async def _show_all(self, results: AsyncGenerator[Result]) -> None:
        async with AsyncExitStack() as resources:
            table = None
            if self._results is not None:
                file = resources.enter_context(opened(self._results, spared=self._spared))
                table = ResultsFile(file, name=self._results)
            await resources.enter_async_context(aclosing(results))
            resources.enter_context(self._progression.shown())
            async for result in results:
                self._show(result, table)

    def _sum_up(self) -> None:
        output.emit(self._tally.values(), self._tally.text(), as_json=self._as_json)

    def _show(self, result: Result, table: ResultsFile | None) -> None:
        self._tally.add(result)
        self._progression.update(self._tally, position=self._source.position if self._source else None)
        values = result_values(result)
        if table is not None:
            table.add(values)
        if self._as_json:
            typer.echo(orjson.dumps({"event": "result", **values}))
