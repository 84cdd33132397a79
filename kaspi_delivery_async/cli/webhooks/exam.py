"""Shows the exam of a receiver: as a table, as JSON, and as JUnit XML."""

from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import attrs
from rich.text import Text

from kaspi_delivery_async.cli.exit_codes import ExitCode
from kaspi_delivery_async.cli.output import emit, printable
from kaspi_delivery_async.cli.signals import run_until_signalled
from kaspi_delivery_async.cli.streams import say
from kaspi_delivery_async.errors import ConfigurationError
from kaspi_delivery_async.sandbox.conformance import Report, Result, Row, TargetError, examine

_STYLES = {Result.PASSED: "green", Result.FAILED: "red", Result.WARNING: "yellow", Result.SKIPPED: "dim"}


def run_exam(url: str, secret: str, *, owned: bool, junit: Path | None, as_json: bool) -> ExitCode:
    """Examine a receiver, show the report and return the exit code."""
    if not as_json:
        say("Sending some 250 messages; this takes a few seconds, at most 90.")
    try:
        report = run_until_signalled(examine(url, secret=secret, owned=owned))
    except TargetError as error:
        raise ConfigurationError(str(error)) from None
    emit(_values(report), _table(report), as_json=as_json)
    if junit is not None:
        try:
            junit.write_bytes(_junit_xml(report))
        except OSError as error:
            raise ConfigurationError(f"--junit: {junit} cannot be written: {error.strerror}") from None
    return ExitCode.DONE if report.passed else ExitCode.FAILED


def _junit_xml(report: Report) -> bytes:
    """Write a report as JUnit XML: a failure for what the vendor demands, "skipped" for warnings and the rest."""
    suite = Element(
        "testsuite", name="webhook receiver", tests=str(len(report.rows)), time=f"{report.seconds:.3f}",
        failures=str(report.count(Result.FAILED)), errors="0",
        skipped=str(report.count(Result.WARNING) + report.count(Result.SKIPPED)),
    )  # fmt: skip
    for row in report.rows:
        case = SubElement(
            suite, "testcase", classname=f"exam.{'required' if row.required else 'good-practice'}", name=row.name,
            time=f"{row.seconds or 0:.3f}",
        )  # fmt: skip
        if row.result is not Result.PASSED:
            tag = "failure" if row.result is Result.FAILED else "skipped"
            SubElement(case, tag, message=f"{row.result}: {_detail(row)}")
    root = Element("testsuites")
    root.append(suite)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _values(report: Report) -> dict[str, object]:
    return {
        "url": report.url,
        "passed": report.passed,
        "seconds": round(report.seconds, 3),
        **{str(result): report.count(result) for result in (Result.FAILED, Result.WARNING, Result.SKIPPED)},
        "rows": [attrs.asdict(row) for row in report.rows],
    }


def _table(report: Report) -> Text:
    lines = [
        Text.assemble(
            (f"{row.result:<9}", _STYLES[row.result]), f"{row.name:<23}", (f"{row.pages or '-':<10}", "dim"),
            (f"{'' if row.seconds is None else f'{row.seconds * 1000:.0f} ms':>8}  ", "dim"), printable(_detail(row)),
        )
        for row in report.rows
    ]  # fmt: skip
    counted = [f"{report.count(result)} {result}" for result in Result if report.count(result)]
    conclusion = "meets what the vendor's pages demand" if report.passed else "does not meet the vendor's pages"
    lines.append(Text(f"\n{printable(report.url)} {conclusion}: {', '.join(counted)}, in {report.seconds:.1f} s"))
    return Text("\n").join(lines)


def _detail(row: Row) -> str:
    """Say what a row is about, and what was seen unless it passed."""
    by = f" ({row.pages})" if row.result is Result.FAILED else ""
    return f"{row.title}{by}; {row.detail}" if row.detail else row.title
