"""The wording check finds words, reads names, and keeps its exemptions honest."""

import pytest

from tests.architecture.wording import Wordlist

WORDLIST = Wordlist.parse("""
[words]
"tells?|told" = "say, return"

[[exempt]]
path = "docs/exempt.md"
text = "William Tell"
why = "a name"
""")
EXEMPT_LINE = ("docs/exempt.md", "The opera is William Tell.")


@pytest.mark.parametrize(
    ("path", "line", "word"),
    [
        ("README.md", "The error tells what is known.", "tells"),
        ("kaspi_delivery_async/client.py", "# Told by the server.", "Told"),
        ("codegen/report.py", "def tell_changes() -> None:", "tell"),
        ("codegen/report.py", "class ChangeTells:", "Tells"),
        ("tests/test_client.py", "async def test_it_tells_the_outcome() -> None:", "tells"),
        ("docs/exempt.md", "William tells nothing.", "tells"),
    ],
)
def test_a_word_of_the_list_is_reported_with_what_to_say_instead(path: str, line: str, word: str) -> None:
    problems = list(WORDLIST.problems([EXEMPT_LINE, (path, f"\n{line}\n")]))

    assert problems == [f'{path}:2: "{word}": say, return']


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("README.md", "A satellite, an intellect and a teller."),
        ("tests/test_client.py", "    # The test may tell what it likes."),
        EXEMPT_LINE,
    ],
)
def test_other_words_exempt_lines_and_the_inside_of_tests_are_not_reported(path: str, line: str) -> None:
    assert list(WORDLIST.problems([EXEMPT_LINE, (path, line)])) == []


def test_an_exemption_that_no_line_needs_is_reported() -> None:
    problems = list(WORDLIST.problems([("docs/exempt.md", "The opera is Tosca.")]))

    assert problems == ["wording.toml: no line needs the exemption docs/exempt.md: 'William Tell'"]
