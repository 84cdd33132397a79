"""Tally: counts of a run's results."""

from collections import Counter

import attrs
from rich.text import Text

from kaspi_delivery_async.bulk import OrderState, Result
from kaspi_delivery_async.cli.bulk.output.text import states_text
from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.output import printable


@attrs.define
class Tally:
    """Counts the results of a run."""

    states: Counter[OrderState] = attrs.field(factory=Counter[OrderState])
    replayed: int = 0
    known: int = 0
    errors: Counter[str] = attrs.field(factory=Counter[str])
    examples: dict[str, str] = attrs.field(factory=dict[str, str])
    """For each type of error, the text of the first."""

    def add(self, result: Result) -> None:
        """Count a result."""
        self.states[result.state] += 1
        self.replayed += result.replayed
        self.known += result.known
        if result.error_type is not None:
            self.errors[result.error_type] += 1
            example = str(result.error)
            names_place = example.startswith(result.place)  # as errors of refused lines do
            self.examples.setdefault(result.error_type, example if names_place else f"{result.place}: {example}")

    @property
    def exit_code(self) -> ExitCode:
        """Exit code of the command."""
        if self.states[OrderState.SENT] or self.states[OrderState.IN_DOUBT]:
            return ExitCode.OUTCOME_UNKNOWN
        unmade = self.states.total() - self.states[OrderState.CREATED]
        return ExitCode.FAILED if unmade else ExitCode.DONE

    def values(self) -> dict[str, object]:
        """Describe the run for programs."""
        return {
            "event": "summary",
            **{state.value: self.states[state] for state in OrderState},
            "replayed": self.replayed,
            "known": self.known,
            "errors": dict(self.errors.most_common()),
        }

    def text(self) -> Text:
        """Describe the run for people."""
        sheet = states_text(self.states)
        if not self.states:
            return sheet
        sheet.append(f"\nof these, {self.known} already in the journal, {self.replayed} replayed by the API")
        for kind, count in self.errors.most_common():
            sheet.append(f"\n{count} x {kind}, for example ", style="default").append(printable(self.examples[kind]))
        return sheet
