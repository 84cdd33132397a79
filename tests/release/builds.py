"""Builds the release twice and compares: ``python -m tests.release.builds dist``.

Both builds are of the last commit, in two folders, under two umasks and at two times; they must give the same bytes.
The wheel is built from the sdist, as installers without wheels do.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(folder: Path, umask: int) -> dict[str, str]:
    """Build the last commit in ``folder`` and return the digest of each file."""
    folder.mkdir()
    source = folder / "source"
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    source.mkdir()
    subprocess.run(["tar", "--extract", "--touch"], input=archive, cwd=source, check=True, umask=umask)
    committed = ["git", "log", "-1", "--format=%ct"]
    epoch = subprocess.run(committed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(source)],
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch, "PIP_CONSTRAINT": str(ROOT / "constraints.txt")},
        stdout=subprocess.DEVNULL,
        check=True,
        umask=umask,
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "dist").iterdir())}


def main(target: Path) -> int:
    """Build twice, put the files into ``target``, and print their digests; the exit code is 1 if they differ."""
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch, "here"), Path(scratch, "elsewhere and longer")
        digests = build(first, 0o022), build(second, 0o077)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(first / "dist", target)
    for name, digest in digests[0].items():
        same = digests[1].get(name) == digest
        print(digest, name, "" if same else f"differs: {digests[1].get(name)}")
    return 0 if digests[0] == digests[1] else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
