"""What of key, secret and people can be read from `ps`, `/proc`, ports and files while commands run, and afterwards.

`python -m tests.security.exposure` prints the table of docs/security.md. As root it also looks as the user nobody.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import orjson
import psutil

from kaspi_delivery_async.models import to_dict
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import until
from tests.support.orders import PERSONAL, order

KEY = "marked-api-key-6f1d"
SECRET = "marked-secret-93ab"
MARKS = {"key": [KEY], "secret": [SECRET], "people": list(PERSONAL[:4])}
OTHER_USER = "nobody"


@attrs.frozen
class Exposure:
    """What was found of one command in one place."""

    command: str
    place: str
    same_user: tuple[str, ...]
    other_user: tuple[str, ...]


def found(content: bytes) -> tuple[str, ...]:
    return tuple(name for name, marks in MARKS.items() if any(mark.encode() in content for mark in marks))


def read(paths: Iterable[Path], *, user: str | None) -> bytes:
    arguments = ["/bin/cat", "--", *(str(path) for path in paths)]
    return subprocess.run(arguments, capture_output=True, check=False, user=user, cwd="/").stdout


def look(command: str, process: int | None, directory: Path) -> list[Exposure]:
    """Look at a process and its children, or at what is left when it has ended."""
    places = {"files afterwards" if process is None else "files": list(directory.iterdir())}
    if process is not None:
        processes = [psutil.Process(process), *psutil.Process(process).children(recursive=True)]
        places["`ps`"] = [Path(f"/proc/{one.pid}/cmdline") for one in processes]
        places["`/proc/*/environ`"] = [Path(f"/proc/{one.pid}/environ") for one in processes]
        ports = [found for one in processes for found in one.net_connections("tcp") if found.status == "LISTEN"]
        assert all(port.laddr.ip == "127.0.0.1" for port in ports), ports
    may_be_another = os.geteuid() == 0
    return [
        Exposure(
            command,
            place,
            found(read(paths, user=None)),
            found(read(paths, user=OTHER_USER)) if may_be_another else (),
        )
        for place, paths in places.items()
    ]


async def exposures() -> list[Exposure]:
    """Run each command with marked data, and look."""
    results: list[Exposure] = []
    async with Sandbox(api_key=KEY) as sandbox:
        sandbox.faults.add("create:latency:seconds=1")
        source = "".join(f"{line}\n" for line in json_lines(20))
        commands = {
            "bulk create": ("bulk", "create", "{}/orders.jsonl", "--journal", "{}/run.sqlite", "--concurrency", "2"),
            "bulk create --dask": ("bulk", "create", "{}/orders.jsonl", "--journal", "{}/run.sqlite", "--dask"),
            "webhooks listen": ("webhooks", "listen", "--port", "0", "--store", "{}/inbox.sqlite"),
            "sandbox serve": ("sandbox", "serve", "--port", "0", "--state-file", "{}/state"),
        }
        for name, arguments in commands.items():
            with TemporaryDirectory() as temporary:
                directory = Path(temporary)
                directory.chmod(0o755)
                orders_file = directory / "orders.jsonl"
                if name.startswith("bulk"):
                    orders_file.touch(0o600)
                    orders_file.write_text(source)
                requests = sandbox.requests.total
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "kaspi_delivery_async.cli"),
                    *(argument.format(temporary) for argument in arguments),
                    env={
                        **os.environ,
                        "KASPI_API_KEY": KEY,
                        "KASPI_BASE_URL": sandbox.base_url,
                        "KASPI_WEBHOOK_SECRET": SECRET,
                    },
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                if name.startswith("bulk"):
                    await until(lambda before=requests: sandbox.requests.total > before)  # type: ignore[misc]
                else:
                    await asyncio.sleep(5)
                orders_file.unlink(missing_ok=True)  # it is the caller's own
                results += await asyncio.to_thread(look, name, process.pid, directory)
                process.terminate()
                await process.wait()
                results += await asyncio.to_thread(look, name, None, directory)
    return results


def json_lines(count: int) -> list[str]:
    return [orjson.dumps(to_dict(order(f"order-{number}"))).decode() for number in range(count)]


def table(results: Iterable[Exposure]) -> str:
    lines = ["| command | place | the same user | another user |", "| --- | --- | --- | --- |"]
    for one in results:
        cells = (", ".join(names) or "nothing" for names in (one.same_user, one.other_user))
        lines.append(f"| `{one.command}` | {one.place} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(asyncio.run(exposures())))
