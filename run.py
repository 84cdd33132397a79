"""Sets up a virtual environment beside this file and runs the demo, or the checks, in it; needs only Python.

python3 run.py demo      creates deliveries on the embedded sandbox and follows them to the door
python3 run.py checks    runs the checks of every change, and all tests on the newest Python
                         (--session tests: on every Python; --list: what else there is)
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PROGRAMS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")

RUNS = {
    "demo": (["--editable", ".[cli,sandbox-page]"], ["kaspi-delivery", "demo"]),
    "checks": (["nox[uv]"], ["nox", "--parallel", "auto"]),
}


def main(arguments: list[str]) -> int:
    """Run what the first argument names; further ones are handed on to it."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file must be able to say so
        print(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: run it with a newer python3")
        return 2
    name, *rest = arguments or ["--help"]
    if name not in RUNS:
        print(__doc__)
        return 0 if name in {"-h", "--help"} else 2
    packages, command = RUNS[name]
    if not PROGRAMS.exists():
        print(f"Setting up {ENVIRONMENT} ...", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    pip = [str(PROGRAMS / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--constraint", "constraints.txt", *packages], cwd=ROOT, check=True)
    return subprocess.run([str(PROGRAMS / command[0]), *command[1:], *rest], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
