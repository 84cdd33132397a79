"""Results file: one CSV row or JSON line for each result."""

import csv
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import orjson

from kaspi_delivery_async._database.location import parse_location
from kaspi_delivery_async.errors import ConfigurationError


class ResultsFile:
    """Writes rows as CSV below a header that the first of them gives, or as lines of JSON."""

    def __init__(self, file: TextIO, *, name: object, as_json: bool = False) -> None:
        """Write to ``file``, which messages call ``name``."""
        self._file = file
        self._name = name
        self._as_json = as_json
        self._writer: csv.DictWriter[str] | None = None

    def add(self, row: Mapping[str, object]) -> None:
        """Write a row; raises `ConfigurationError` if the file takes no more."""
        with _writing(self._name):
            self._add(row)

    def _add(self, row: Mapping[str, object]) -> None:
        if self._as_json:
            self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE).decode())
            return
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, list(row), lineterminator="\n")
            self._writer.writeheader()
        self._writer.writerow(row)


@contextmanager
def opened(path: Path, *, spared: Iterable[str | Path]) -> Generator[TextIO]:
    """Open a file to write to; raises `ConfigurationError` if that fails, or if it is one of those to be ``spared``."""
    if path.resolve() in {place.resolve() for place in map(parse_location, spared) if isinstance(place, Path)}:
        raise ConfigurationError(f"{path} is read by this command and would be overwritten; name another file")
    with _writing(path):
        file = path.open("w", newline="", encoding="utf-8")
    try:
        yield file
    finally:
        with _writing(path):
            file.close()


@contextmanager
def _writing(name: object) -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads has seen enough
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be written: {error.strerror}; name another file") from None
