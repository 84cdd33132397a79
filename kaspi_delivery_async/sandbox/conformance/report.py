"""The report of an exam: a row for each demand, with its grade and the vendor's page that it rests on."""

import enum

import attrs


class Result(enum.StrEnum):
    """The grade of a row."""

    PASSED = "passed"
    FAILED = "failed"
    """The vendor's pages demand it, and the receiver does something else."""
    WARNING = "warning"
    """Good practice asks for it, no page does."""
    SKIPPED = "skipped"
    """It could not be graded; the detail says why."""


@attrs.frozen(kw_only=True)
class Row:
    """One demand on a receiver."""

    name: str
    title: str
    """What is expected."""
    required: bool
    """Whether the vendor's pages demand it."""
    pages: str
    """Codes of these pages, as docs/sources.md has them; empty for good practice."""
    result: Result
    detail: str = ""
    """What was seen instead; empty for a row that passed."""
    seconds: float | None = None
    """The longest time from a message's leaving to the end of the response; None without one."""


@attrs.frozen(kw_only=True)
class Report:
    """What an exam found."""

    url: str
    """The receiver, without the query of its URL."""
    rows: tuple[Row, ...]
    seconds: float
    """How long the exam took."""

    @property
    def passed(self) -> bool:
        """Whether every demand of the vendor's pages is met; warnings do not count."""
        return not any(row.result is Result.FAILED for row in self.rows)

    def count(self, result: Result) -> int:
        """Count the rows of a grade."""
        return sum(row.result is result for row in self.rows)
