"""The command line of the generator: `python -m codegen` makes the models, `--check` and `--diff` judge."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from codegen import settings
from codegen.comparison.changelog import with_section
from codegen.comparison.compare import compare
from codegen.comparison.report import as_json, as_text, is_breaking
from codegen.description.load import load, load_whole
from codegen.documents import CodegenError, Object
from codegen.handwritten.asked import Asked, said
from codegen.handwritten.code import Code
from codegen.handwritten.lacking import lacking
from codegen.package import wanted
from codegen.rendering.models import render
from codegen.rendering.operations import described
from codegen.rendering.output import drift, write

EXIT_CODES = """\
exit codes:
  0  done; with --check: nothing to do; with --diff: nothing breaking
  1  with --check: the models file has drifted, or the hand-written layer lacks something;
     with --diff: something is breaking
  2  the description, the overlay or the command line cannot be used; nothing was written
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.diff is not None:
            return _diff(options)
        description = _load(options.spec, options)
        return _check(description, options.output) if options.check else _build(description, options.output)
    except CodegenError as error:
        sys.stderr.write(f"codegen: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m codegen",
        description="Make kaspi_delivery_async/_generated from the API description, and what follows from it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    job = parser.add_mutually_exclusive_group()
    job.add_argument(
        "--check",
        action="store_true",
        help="write nothing; show how the models file has drifted, and what the hand-written layer lacks",
    )
    job.add_argument(
        "--diff",
        nargs="+",
        metavar=("OLD", "NEW"),
        help="write nothing; judge the changes from one description to another (by default, the present one)",
    )
    parser.add_argument("--spec", default=str(settings.DESCRIPTION), metavar="FILE_OR_URL", help="the description")
    parser.add_argument("--overlay", metavar="FILE_OR_URL", help="an OpenAPI Overlay 1.0 to apply to each description")
    parser.add_argument("--allow-remote", action="store_true", help="follow a $ref into other documents")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the models alone, to this file, and nothing else"
    )
    parser.add_argument(
        "--changelog",
        type=Path,
        nargs="?",
        const=settings.ROOT / "CHANGELOG.md",
        metavar="FILE",
        help="with --diff: add the changes to the changelog, under Unreleased",
    )
    parser.add_argument("--json", action="store_true", help="with --diff: print JSON")
    return parser


def _load(source: str, options: argparse.Namespace) -> Object:
    return load(source, overlay=options.overlay, allow_remote=options.allow_remote)


def _load_to_compare(source: str, options: argparse.Namespace) -> Object:
    whole = load_whole(source, overlay=None, allow_remote=options.allow_remote)
    # The project's own description says already what the overlay adds to the vendor's.
    if options.overlay is None or whole.get("x-overlay") == "included":
        return whole
    return load_whole(source, overlay=options.overlay, allow_remote=options.allow_remote)


def _files(description: Object, output: Path | None) -> dict[Path, str]:
    """Return what each file should hold; all that the generator writes, or the models alone at another place."""
    return wanted(description) if output is None else {output: render(description)}


def _build(description: Object, output: Path | None) -> int:
    for path, text in _files(description, output).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write(path, text)
    return 0


def _check(description: Object, output: Path | None) -> int:
    difference = "".join(drift(path, text) for path, text in _files(description, output).items())
    left = lacking(described(description), description["components"]["schemas"], Code(settings.ROOT))
    sys.stdout.write(difference)
    sys.stdout.writelines(f"{line}\n" for line in left)
    return 1 if difference or left else 0


def _diff(options: argparse.Namespace) -> int:
    sources: list[str] = [*options.diff, options.spec]
    if len(options.diff) > 2:
        raise CodegenError("--diff takes the old description and at most one new one. Leave the others out.")
    old, new = (_load_to_compare(source, options) for source in sources[:2])
    changes = compare(old, new)
    asked = Asked(old, new, Code(settings.ROOT))
    places = {change: said(asked.places(change)) for change in changes}
    sys.stdout.write((as_json if options.json else as_text)(changes, places) + "\n")
    if options.changelog is not None:
        text = options.changelog.read_text(encoding="utf-8") if options.changelog.exists() else ""
        write(options.changelog, with_section(text, changes))
    return 1 if is_breaking(changes) else 0


if __name__ == "__main__":
    sys.exit(main())
