"""Completion, typed into real shells on a terminal: bash, zsh and fish."""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import IO

import pytest

pytestmark = [pytest.mark.newest, pytest.mark.processes]

SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        'eval "$(env _KASPI_DELIVERY_COMPLETE=source_bash kaspi-delivery)"',
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        'autoload -U compinit; compinit -D; eval "$(env _KASPI_DELIVERY_COMPLETE=source_zsh kaspi-delivery)"',
    ),
    "fish": (["fish", "--no-config"], "env _KASPI_DELIVERY_COMPLETE=source_fish kaspi-delivery | source"),
}


class Terminal:
    """A terminal that a shell runs on."""

    def __init__(self, keys: IO[bytes], screen: IO[bytes]) -> None:
        self._keys = keys
        self._screen = screen
        self._shown = ""

    def type(self, text: str) -> None:
        """Press keys; what was shown before is forgotten."""
        self._shown = ""
        self._keys.write(text.encode())

    def wait_for(self, text: str, *, seconds: float = 60) -> None:
        """Wait until the terminal shows ``text``."""
        deadline = time.monotonic() + seconds
        while text not in self._shown:
            assert time.monotonic() < deadline, self._shown
            if select.select([self._screen], [], [], 0.2)[0]:
                received = os.read(self._screen.fileno(), 65536)
                assert received, f"the shell has ended: {self._shown}"
                self._shown += received.decode(errors="replace")


@contextmanager
def terminal(command: list[str], home: Path) -> Iterator[Terminal]:
    """Run a shell on a terminal of its own."""
    environment = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
    }
    spawn = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", *command]
    with subprocess.Popen(spawn, stdin=PIPE, stdout=PIPE, env=environment, cwd=home, bufsize=0) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        yield Terminal(shell.stdin, shell.stdout)
        shell.stdin.write(b"\x03exit\n")
        shell.stdin.close()
        shell.kill()


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_a_command_and_an_option(name: str, tmp_path: Path) -> None:
    command, setup = SHELLS[name]
    if shutil.which(name) is None:
        pytest.skip(f"no {name}; .ci/shells installs it")
    with terminal(command, tmp_path) as screen:
        screen.type(f"{setup}; echo re''ady\n")
        screen.wait_for("ready")
        screen.type("kaspi-delivery sandbox adv\t")
        screen.wait_for("advance")
        screen.type("\x15kaspi-delivery demo --se\t")
        screen.wait_for("--seed")
