"""Wording check: finds the words that wording.toml replaces by better ones; ``python -m tests.architecture.wording``.

It is beside its test because both belong to the repository and not to the package. Of files below ``tests`` it
reads the names of the tests only, of all others every line.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
SUFFIXES = {".md", ".py", ".toml", ".yaml", ""}
NOT_OURS = ("LICENSE", "kaspi_delivery_async/_generated/", "tests/codegen/recipes/", "tests/codegen/descriptions/")


class Exemption(NamedTuple):
    """Lines of a file that may keep a word, because of ``why``: those that contain ``text``."""

    path: str
    text: str
    why: str


class Wordlist(NamedTuple):
    """Words that are not to be used, and the lines that are exempt."""

    words: Mapping[re.Pattern[str], str]
    exempt: Sequence[Exemption]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a word list as TOML."""
        table = tomllib.loads(text)
        words = {re.compile(rf"\b(?:{word})\b", re.IGNORECASE): better for word, better in table["words"].items()}
        return cls(words, [Exemption(**entry) for entry in table.get("exempt", [])])

    def problems(self, files: Iterable[tuple[str, str]]) -> Iterator[str]:
        """Report each word of the list in these files (path, text), and each exemption that no line uses."""
        unused = set(self.exempt)
        for path, text in files:
            for number, line in enumerate(text.splitlines(), 1):
                if path.startswith("tests/") and not re.match(r"\s*(async )?def test_", line):
                    continue
                found = [
                    (match[0], better) for word, better in self.words.items() if (match := word.search(_spoken(line)))
                ]
                excused = {entry for entry in self.exempt if found and entry.path == path and entry.text in line}
                unused -= excused
                if not excused:
                    yield from (f'{path}:{number}: "{word}": {better}' for word, better in found)
        yield from (f"wording.toml: no line needs the exemption {entry.path}: {entry.text!r}" for entry in unused)


def _spoken(line: str) -> str:
    """Separate the words of names: ``test_it_tells`` and ``AnswerQueue`` are several words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line).replace("_", " ")


def tracked_files() -> Iterator[tuple[str, str]]:
    """Read the repository's own texts."""
    listed = subprocess.check_output(("git", "ls-files", "-z"), cwd=ROOT, text=True)
    for path in listed.rstrip("\0").split("\0"):
        if Path(path).suffix in SUFFIXES and not path.startswith(NOT_OURS):
            yield path, (ROOT / path).read_text(encoding="utf-8")


def main() -> int:
    """Print every problem; the exit code is 1 if there is one."""
    wordlist = Wordlist.parse(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    problems = list(wordlist.problems(tracked_files()))
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
