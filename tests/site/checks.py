"""Checks of the built site: ``python -m tests.site.checks build/site``.

Every public name is on a page, every link inside leads somewhere, and every option of every command is documented.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from sphinx.util.inventory import InventoryFile
from typer.main import get_command

import kaspi_delivery_async
from kaspi_delivery_async.cli.app import app

COMMANDS = "docs/reference/command-line.html"
NOT_FOR_IMPORT = ("cli", "__main__")


def public_modules() -> Iterator[ModuleType]:
    """Import the package, and each of its modules and folders whose name has no underscore."""
    yield kaspi_delivery_async
    for module in pkgutil.iter_modules(kaspi_delivery_async.__path__):
        if not module.name.startswith("_") and module.name not in NOT_FOR_IMPORT:
            yield importlib.import_module(f"{kaspi_delivery_async.__name__}.{module.name}")


def public_names(module: ModuleType) -> Iterator[str]:
    """Name what the module exports: its ``__all__``, or all that it defines."""
    exported = getattr(module, "__all__", None)
    for name in exported or vars(module):
        value = getattr(module, name)
        if not name.startswith("_") and (exported or _is_defined_in(module, value)):
            yield name


def _is_defined_in(module: ModuleType, value: object) -> bool:
    return getattr(value, "__module__", None) == module.__name__ and not isinstance(value, TypeVar)


def undocumented(documented: set[str]) -> Iterator[str]:
    """Report each public name that is on no page, under no name that it is imported by."""
    known = {id(value) for name in documented if (value := _found(name)) is not None}
    for module in public_modules():
        for name in public_names(module):
            full = f"{module.__name__}.{name}"
            if full not in documented and id(getattr(module, name)) not in known:
                yield f"{full} is on no page"


def _found(name: str) -> object | None:
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ImportError:  # a method, whose class is documented as well
        return None


class Page(HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an anchor or a link."""
        self.anchors |= {value for name, value in attrs if name == "id" and value}
        self.links += [value for name, value in attrs if name in {"href", "src"} and value and tag != "base"]


def broken_links(site: Path) -> Iterator[str]:
    """Report each link to a file or an anchor of the site that does not exist."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc or link == "#":
                continue
            if not target.exists():
                yield f"{path.relative_to(site.resolve())}: {link} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{path.relative_to(site.resolve())}: {link} has no such section"


def undocumented_options(page: str) -> Iterator[str]:
    """Report each option of a command that its section of the page does not have."""
    parts = re.split(r"^(kaspi-delivery.*)#$", _text(page), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name, options in _options(get_command(app), "kaspi-delivery"):
        yield from (f"{name} {option} is on no page" for option in options if option not in sections.get(name, ""))


def _text(page: str) -> str:
    return re.sub(r"<[^>]+>", "", page.replace("¶", "#"))


def _options(command: object, name: str) -> Iterator[tuple[str, list[str]]]:
    parameters: Iterable[object] = getattr(command, "params", ())
    yield name, [option for parameter in parameters for option in getattr(parameter, "opts", ()) if option[0] == "-"]
    for child, inner in getattr(command, "commands", {}).items():
        yield from _options(inner, f"{name} {child}")


def main(site: Path) -> int:
    """Print every problem; the exit code is 1 if there is one."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    documented = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    problems = [
        *undocumented(documented),
        *broken_links(site),
        *undocumented_options((site / COMMANDS).read_text(encoding="utf-8")),
    ]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
