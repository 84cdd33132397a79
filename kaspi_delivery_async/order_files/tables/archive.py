"""The parts of an `.xlsx` archive, bounded before anything is unpacked: a file from elsewhere may be a trap."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from kaspi_delivery_async._wire.text import storable
from kaspi_delivery_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

_LARGEST_DIRECTORY = 4 * 1024 * 1024
"""Bytes of an archive's list of parts, or of any other block that is read at once."""
_LARGEST_PART = 4 * 1024**3
_SUSPICIOUS_PART = 32 * 1024**2
_LARGEST_RATIO = 150
"""How often the largest parts of a real workbook are compressed is 10 to 60 times; a zip bomb, 1000 times."""
_LARGEST_TOKEN = 1024 * 1024
_BLOCK = 64 * 1024

Attributes = dict[str, str]


class Unreadable(Exception):
    """What is wrong with a workbook, in words that follow the file's name."""


@contextmanager
def opened_archive(path: Path) -> Generator[Archive]:
    """Open an archive; raises `InvalidRequestError` for whatever is wrong with it, while it is read, too."""
    name = storable(path.name)
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            yield Archive(archive)
    except Unreadable as error:
        raise InvalidRequestError(name, str(error)) from None
    except OSError as error:
        raise InvalidRequestError(name, f"cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        # RuntimeError: a part is encrypted; the others come of damaged or falsified headers.
        raise InvalidRequestError(
            name, f"is a damaged Excel workbook ({error}); open it in Excel and save it again"
        ) from None


class _Bounded(io.FileIO):
    """A file that refuses to give out a block of any size that its own headers name."""

    def read(self, size: int | None = -1, /) -> bytes:
        rest = os.fstat(self.fileno()).st_size - self.seek(0, os.SEEK_CUR)
        if (rest if size is None or size < 0 else size) > _LARGEST_DIRECTORY:
            raise Unreadable("has a list of parts that no workbook has; open it in Excel and save it again")
        return super().read(size) or b""


class Archive:
    """An open archive; made by `opened_archive`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def __contains__(self, part: str) -> bool:
        return part in self._archive.NameToInfo

    @contextmanager
    def part(self, name: str) -> Generator[Callable[[], bytes]]:
        """Open a part for reading, block by block."""
        try:
            info = self._archive.getinfo(name)
        except KeyError:
            raise Unreadable(f"is no complete Excel workbook: it has no {name}") from None
        size, packed = info.file_size, max(info.compress_size, 1)
        if size > _LARGEST_PART or (size > _SUSPICIOUS_PART and size / packed > _LARGEST_RATIO):
            raise Unreadable(
                f"unpacks to {size // 1024**2} MiB, {size // packed} times its size, as no order file does (a zip "
                "bomb?); nothing of it was read"
            )
        with self._archive.open(info) as file:
            yield lambda: file.read(_BLOCK)

    def parse(self, name: str, parser: expat.XMLParserType) -> Generator[None]:
        """Feed a part to a parser; yields after each block."""
        parser.StartDoctypeDeclHandler = _refuse_doctype
        fed = 0
        try:
            with self.part(name) as read:
                while block := read():
                    parser.Parse(block)
                    fed += len(block)
                    if fed - max(parser.CurrentByteIndex, 0) > _LARGEST_TOKEN:
                        raise Unreadable("has a name or a tag longer than 1 MiB; no order file has one")
                    yield
                parser.Parse(b"", True)  # noqa: FBT003
                yield
        except expat.ExpatError as error:
            raise Unreadable(f"is a damaged Excel workbook ({name}: {error}); save it again in Excel") from None

    def elements(self, name: str, on_start: Callable[[str, Attributes], Any]) -> None:
        """Call a function with the local name and the attributes of each element of a part."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = lambda tag, attributes: on_start(local(tag), attributes)
        for _ in self.parse(name, parser):
            pass


def local(tag: str) -> str:
    """Return an element's name without its prefix."""
    return tag.rpartition(":")[2]


def _refuse_doctype(*_: object) -> None:
    raise Unreadable("declares XML entities, as no workbook does")
