"""The webhook commands, run as a user runs them."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kaspi_delivery_async import ConfigurationError, InvalidRequestError, WebhookVerificationError
from kaspi_delivery_async.cli.webhooks.commands import app
from kaspi_delivery_async.webhooks.stored_events import EventState, EventUpdate, Lease, Message
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from tests.support.cli_process import FULL, NO_SPACE, full_pipe, needs_full_device, unread_pipe
from tests.support.cli_runner import RunInto
from tests.support.webhook_messages import NOW, SECRET, body, headers


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", f"another, {SECRET}")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("KASPI_WEBHOOK_STORE", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert (result.exception, result.exit_code) == (None, 0)
    return result.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def saved(tmp_path: Path, raw: bytes, **changes: str) -> tuple[Path, Path]:
    lines = [f"{name}: {value}" for name, value in (headers(raw) | changes).items()]
    (tmp_path / "body").write_bytes(raw)
    (tmp_path / "headers").write_text("POST /webhooks HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n")
    return tmp_path / "body", tmp_path / "headers"


def post(url: str, raw: bytes, *, deadline: float) -> int:
    """Post a message as soon as somebody listens, and return the response's status."""
    request = urllib.request.Request(url, data=raw, headers=headers(raw, at=time.time()))
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request) as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code
        except OSError:
            time.sleep(0.02)
    raise TimeoutError


@contextmanager
def posted(url: str, *messages: bytes, until: Callable[[], bool]) -> Iterator[list[int]]:
    """Post messages, and interrupt this process when it has been enough."""
    statuses: list[int] = []
    deadline = time.monotonic() + 20

    def work() -> None:
        statuses.extend(post(url, raw, deadline=deadline) for raw in messages)
        while not until() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield statuses
    finally:
        thread.join()


async def handled(path: Path) -> int:
    store = SqlStore(path)
    try:
        return (await store.totals()).handled
    finally:
        await store.close()


async def until_handled(path: Path) -> None:
    while await handled(path) == 0:
        await asyncio.sleep(0.02)


async def bury(path: Path, *events: str) -> None:
    store = SqlStore(path)
    for event in events:
        await store.add(Message(key=event, body=body(event), received_at=NOW, event=None))
        [lease] = await store.lease(worker="w", seconds=1.0, limit=1)
        assert isinstance(lease, Lease)
        await store.update(lease, EventUpdate(state=EventState.DEAD, error="ValueError: no \x1b[31mcourier"))
    await store.add(Message(key="unreadable", body=b"[]", received_at=NOW, event=None, error="no event"))
    await store.close()


def test_a_saved_message_is_verified_at_the_time_it_came(tmp_path: Path) -> None:
    out = done("verify", *saved(tmp_path, body("wh_7")), "--received-at", str(NOW))

    assert "2024-06-11T08:10:54Z  wh_7" in out
    assert out.endswith("delivered\n")


def test_a_saved_message_is_shown_as_json(tmp_path: Path) -> None:
    raw = body("wh_7")
    assert json.loads(done("verify", *saved(tmp_path, raw), "--received-at", str(NOW), "--json")) == json.loads(raw)


def test_a_repeated_and_timeless_event_is_shown(tmp_path: Path) -> None:
    raw = body(attempt=3, data={"deliveryId": "dlv_1", "status": "weighed"})
    out = done("verify", *saved(tmp_path, raw), "--received-at", str(NOW))

    assert out.rstrip().endswith("weighed  attempt 3")


@pytest.mark.parametrize(
    ("changes", "received_at", "reason"),
    [({}, NOW + 301, "too_old"), ({}, None, "too_old"), ({"X-Kaspi-Signature": "0" * 64}, NOW, "signature_mismatch")],
)
def test_a_saved_message_that_is_not_genuine_is_refused(
    tmp_path: Path, changes: dict[str, str], received_at: float | None, reason: str
) -> None:
    time_options = [] if received_at is None else ["--received-at", str(received_at)]
    result = run("verify", *saved(tmp_path, body(), **changes), *time_options)

    assert isinstance(result.exception, WebhookVerificationError)
    assert result.exception.reason == reason


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = run("verify", tmp_path / "nowhere", tmp_path / "nowhere")

    assert isinstance(result.exception, InvalidRequestError)
    assert "nowhere cannot be read: No such file" in str(result.exception)


@pytest.mark.parametrize("value", ["", "good,", " "])
def test_a_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", value)
    result = run("verify", *saved(tmp_path, body()))

    assert isinstance(result.exception, ConfigurationError)
    assert "KASPI_WEBHOOK_SECRET is not set" in str(result.exception)


def test_dead_letters_are_listed_without_control_characters(tmp_path: Path) -> None:
    asyncio.run(bury(tmp_path / "events.sqlite", "wh_1"))

    lines = done("dead-letters", "--store", tmp_path / "events.sqlite").splitlines()

    assert lines[0].split(maxsplit=2)[:2] == ["1", "2024-06-11T08:10:54Z"]
    assert lines[0].endswith("wh_1  dlv_1  delivered  1 attempts  ValueError: no \N{REPLACEMENT CHARACTER}[31mcourier")
    assert lines[1].endswith("cannot be read  0 attempts  no event")


def test_dead_letters_are_listed_as_json(tmp_path: Path) -> None:
    asyncio.run(bury(tmp_path / "events.sqlite", "wh_1"))

    out = done("dead-letters", "--store", tmp_path / "events.sqlite", "--json", "--limit", "1")

    assert json.loads(out) == {
        "number": 1,
        "receivedAt": "2024-06-11T08:10:54Z",
        "attempts": 1,
        "duplicates": 0,
        "error": "ValueError: no \x1b[31mcourier",
        "event": json.loads(body("wh_1")),
    }


@pytest.mark.parametrize(("options", "expected"), [([], "No dead letters.\n"), (["--json"], "")])
def test_that_there_are_no_dead_letters_is_printed(tmp_path: Path, options: list[str], expected: str) -> None:
    path = tmp_path / "events.sqlite"
    asyncio.run(bury(path))
    done("replay", "--all", "--store", path)

    assert done("dead-letters", "--store", path, *options) == expected


@pytest.mark.parametrize(("chosen", "count"), [(["1"], 1), (["1", "2", "77"], 2), (["--all"], 3)])
def test_dead_letters_are_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: list[str], count: int
) -> None:
    asyncio.run(bury(tmp_path / "events.sqlite", "wh_1", "wh_2"))
    monkeypatch.setenv("KASPI_WEBHOOK_STORE", str(tmp_path / "events.sqlite"))

    assert json.loads(done("replay", *chosen, "--json")) == {"replayed": count}
    assert len(done("dead-letters", "--json").splitlines()) == 3 - count


@pytest.mark.parametrize("chosen", [[], ["--all", "1"]])
def test_what_to_replay_must_be_said(tmp_path: Path, chosen: list[str]) -> None:
    result = run("replay", *chosen, "--store", tmp_path / "events.sqlite")

    assert isinstance(result.exception, ConfigurationError)


def test_a_mistyped_store_is_no_empty_inbox(tmp_path: Path) -> None:
    result = run("dead-letters", "--store", tmp_path / "typo.sqlite")

    assert isinstance(result.exception, ConfigurationError)
    assert not (tmp_path / "typo.sqlite").exists()


def test_events_are_received_and_shown(tmp_path: Path) -> None:
    port, store = free_port(), tmp_path / "events.sqlite"

    messages = [body("wh_1", status="accepted"), body("wh_2"), body("wh_1", status="accepted"), b"{}"]
    with posted(
        f"http://127.0.0.1:{port}/any/path", *messages, until=lambda: asyncio.run(handled(store)) == 2
    ) as statuses:
        out = done("listen", "--port", str(port), "--store", store, "--json")

    assert statuses == [200, 200, 200, 400]
    assert sorted(json.loads(line)["eventId"] for line in out.splitlines()) == ["wh_1", "wh_2"]


def test_events_are_forwarded_to_a_command_one_on_a_line_until_it_accepts_them(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    script = tmp_path / "take.py"
    script.write_text(
        "import pathlib, sys\n"
        f"log = pathlib.Path({str(log)!r})\n"
        "first = not log.exists()\n"
        "log.open('ab').write(sys.stdin.buffer.read())\n"
        "sys.exit(first)\n"
    )

    def taken_twice() -> bool:
        return log.exists() and len(log.read_bytes().splitlines()) == 2

    with posted(f"http://127.0.0.1:{port}/", body(), until=taken_twice):
        out = done("listen", "--port", str(port), "--command", f"{sys.executable} {script}", "--json")

    assert [json.loads(line) for line in log.read_bytes().splitlines()] == [json.loads(body())] * 2
    assert len(out.splitlines()) == 1


def test_a_command_that_fails_is_reported_in_one_line(tmp_path: Path) -> None:
    """The inbox's stack says nothing about it."""
    port, log = free_port(), tmp_path / "log"
    command = f"{sys.executable} -c \"open({str(log)!r}, 'w'); raise SystemExit(7)\""

    with posted(f"http://127.0.0.1:{port}/", b"{}", body(), until=log.exists):
        result = run("listen", "--port", str(port), "--command", command)

    listening, refused, *failures = result.stderr.splitlines()
    assert listening.startswith("Listening on ")
    assert refused.startswith("a webhook message was refused: ")
    assert failures[0] == "attempt 1 to handle event 2 failed: ForwardingError: the command ended with exit code 7"
    assert all(failure.startswith("attempt ") for failure in failures)


def listening(tmp_path: Path, *form: str) -> tuple[list[str], str]:
    """Arguments of a listener that appends each event to a log and keeps a store, and its URL."""
    port = free_port()
    command = f"sh -c 'cat >> {tmp_path / 'log'}'"
    options = ["--port", str(port), "--store", str(tmp_path / "events.sqlite"), "--command", command, *form]
    return ["webhooks", "listen", *options], f"http://127.0.0.1:{port}/"


async def posted_soon(url: str, raw: bytes) -> int:
    return await asyncio.to_thread(post, url, raw, deadline=time.monotonic() + 20)


@needs_full_device
@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(("place", "code", "said"), [("full", 1, f"Error: {NO_SPACE}\n"), ("unread", 141, "")])
async def test_an_event_that_cannot_be_shown_is_passed_on_once_and_ends_the_listener(
    run_into: RunInto, tmp_path: Path, form: tuple[str, ...], place: str, code: int, said: str
) -> None:
    arguments, url = listening(tmp_path, *form)
    with unread_pipe() if place == "unread" else FULL.open("wb") as output:
        listener = asyncio.create_task(run_into(output, *arguments))
        assert await posted_soon(url, body()) == 200
        ended, err = await listener
    assert (ended, err.partition("\n")[2]) == (code, said)
    assert len((tmp_path / "log").read_bytes().splitlines()) == 1
    assert await handled(tmp_path / "events.sqlite") == 1


async def test_an_event_that_waits_for_its_reader_is_not_passed_on_again(
    run_into: RunInto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaspi_delivery_async.cli.webhooks.listener.SHOWING_LIMIT", 0.05)
    arguments, url = listening(tmp_path, "--json")
    reading, writing = full_pipe()
    listener = asyncio.create_task(run_into(writing, *arguments))
    assert await posted_soon(url, body("wh_1")) == 200
    await until_handled(tmp_path / "events.sqlite")
    os.close(reading)  # the reader leaves, which ends the listener at the next event
    assert await posted_soon(url, body("wh_2")) == 200
    assert (await listener)[0] == 141
    os.close(writing)
    passed_on = [json.loads(line)["eventId"] for line in (tmp_path / "log").read_bytes().splitlines()]
    assert passed_on == ["wh_1", "wh_2"]


def test_help_says_that_a_command_runs_without_a_shell() -> None:
    assert "runs without a shell" in done("listen", "--help")


def test_a_command_that_hangs_is_ended_with_the_listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaspi_delivery_async.webhooks.inbox.WebhookInbox.aclose.__kwdefaults__", {"grace": 0.1})
    port, log = free_port(), tmp_path / "log"
    command = f"{sys.executable} -c \"import time; open({str(log)!r}, 'w'); time.sleep(3600)\""

    with posted(f"http://127.0.0.1:{port}/", body(), until=log.exists):
        out = done("listen", "--port", str(port), "--command", command)

    assert out == ""


def test_events_are_passed_on_to_a_url_until_it_takes_them() -> None:
    seen: list[Any] = []

    class Target(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(302 if len(seen) == 1 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    port = free_port()
    with HTTPServer(("127.0.0.1", 0), Target) as target:
        serving = threading.Thread(target=target.serve_forever)
        serving.start()
        with posted(f"http://127.0.0.1:{port}/", body(), until=lambda: len(seen) == 2):
            done("listen", "--port", str(port), "--url", f"http://127.0.0.1:{target.server_port}/hook")
        target.shutdown()
        serving.join()

    assert seen == [json.loads(body())] * 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--command", "true", "--url", "http://127.0.0.1/"], "not both"),
        (["--command", "'unclosed"], "--command cannot be read"),
        (["--command", " "], "names no command"),
        (["--url", "127.0.0.1/hook"], "--url must begin with"),
        (["--store", "mysql://host/db"], "mysql:// is no database location"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: list[str], problem: str) -> None:
    result = run("listen", *options)

    assert isinstance(result.exception, ConfigurationError)
    assert problem in str(result.exception)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("listen", "--port", str(port))

    assert isinstance(result.exception, ConfigurationError)
    assert f"port {port} cannot be listened on" in str(result.exception)


def test_a_command_gets_neither_key_nor_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "the-key")
    seen = tmp_path / "environ.json"
    script = tmp_path / "take.py"
    script.write_text(f"import json, os\nopen({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))\n")
    port = free_port()
    with posted(f"http://127.0.0.1:{port}/", body(), until=lambda: seen.exists() and seen.read_text() != ""):
        done("listen", "--port", str(port), "--command", f"{sys.executable} {script}")
    environ = json.loads(seen.read_text())
    assert "PATH" in environ
    assert not [name for name in environ if name.startswith("KASPI_")]
