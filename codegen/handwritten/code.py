"""Reads the hand-written code and the docs: which names, texts and words stand where."""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import attrs

PACKAGE = "kaspi_delivery_async"

FOLDERS = (PACKAGE, "README.md", "docs", "examples", "benchmarks", "tests")
"""Where hand-written code and texts are."""

NOT_READ = ("_generated", "tests/codegen", "__pycache__", ".venv")

WORD = re.compile(r"[\w-]+")


@attrs.frozen
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def order(self) -> tuple[int, str, int]:
        """What places are sorted by: the package's first."""
        return FOLDERS.index(self.file.partition("/")[0]), self.file, self.line


class Code:
    """The hand-written files of a tree. A file is parsed only if it is looked into."""

    def __init__(self, root: Path) -> None:
        paths = [path for folder in FOLDERS for path in (root / folder, *(root / folder).rglob("*"))]
        found = [path for path in paths if path.suffix in (".py", ".md") and path.is_file()]
        files = {path.relative_to(root).as_posix(): path for path in found}
        self.texts = {
            file: path.read_text(encoding="utf-8")
            for file, path in files.items()
            if not any(part in file for part in NOT_READ)
        }
        self._trees: dict[str, ast.Module] = {}

    def tree(self, file: str) -> ast.Module:
        """Return a file as a syntax tree."""
        if file not in self._trees:
            self._trees[file] = ast.parse(self.texts[file])
        return self._trees[file]

    def modules(self, pattern: str) -> Iterator[tuple[str, ast.Module]]:
        """Yield the modules in whose text a pattern is found."""
        found = re.compile(pattern)
        for file, text in self.texts.items():
            if file.endswith(".py") and found.search(text):
                yield file, self.tree(file)

    def uses(self, *names: str, near: Collection[str] = (), inside: Collection[str] = ()) -> list[Place]:
        """Return where one of some names is, as a name or a word of a text.

        With `near`, only in files that have one of those words, too; with `inside`, only in those files.
        """
        files = set(self._with(names, inside or self.texts))
        if near:
            files = set(self._with(near, files))
        places = {Place(file, line) for file in files for word, line in self._words(file) if word in names}
        return sorted(places, key=lambda place: place.order)

    def uses_of_all(self, names: Collection[str]) -> list[Place]:
        """Return where the last of some names is in the package's files that have all of them."""
        last = [*names][-1:]
        return [
            place
            for place in (self.uses(*last) if last else ())
            if place.file.startswith(PACKAGE) and all(name in self.texts[place.file] for name in names)
        ]

    def lines_with(self, text: str) -> list[Place]:
        """Return the lines that have a text in them, such as a URL."""
        return [
            Place(file, number)
            for file, whole in self.texts.items()
            if text in whole
            for number, line in enumerate(whole.splitlines(), 1)
            if text in line
        ]

    def definitions(self, name: str) -> list[Place]:
        """Return where functions of a name are defined."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [
            Place(file, node.lineno)
            for file, tree in self.modules(rf"def {name}\b")
            for node in ast.walk(tree)
            if isinstance(node, functions) and node.name == name
        ]

    def calls(self, name: str) -> list[Place]:
        """Return where something of a name is called."""
        return [
            Place(file, node.lineno)
            for file, tree in self.modules(rf"\b{name}\(")
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name
        ]

    def _with(self, names: Iterable[str], files: Iterable[str]) -> Iterator[str]:
        pattern = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, names)) + r")(?![\w-])")
        yield from (file for file in files if pattern.search(self.texts.get(file, "")))

    def _words(self, file: str) -> Iterator[tuple[str, int]]:
        return _words_of_code(self.tree(file)) if file.endswith(".py") else _words_of_lines(self.texts[file], 1)


def _words_of_lines(text: str, first: int) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), first):
        yield from ((word, number) for word in WORD.findall(line))


def _words_of_code(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name, getattr(node, "end_lineno", line) if isinstance(node, ast.Attribute) else line
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, line
            case ast.alias(name=name):
                yield name.rpartition(".")[2], line
            case ast.Constant(value=str(text)):
                yield from _words_of_lines(text, line)
            case ast.Constant(value=bytes(data)):
                yield from _words_of_lines(data.decode("latin-1"), line)
            case _:
                pass
