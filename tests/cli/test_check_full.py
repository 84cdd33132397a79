"""`check --full`: the go-live checklist, by what can be found out and what people confirm."""

import asyncio
import io
import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from kaspi_delivery_async.cli.check.full import trials
from kaspi_delivery_async.cli.check.full.items import good
from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.webhooks.stores.sql import SqlStore
from tests.support.cli_runner import Ended, Run
from tests.support.faulty_receivers import SECRET, AcceptsGet, Receiver, RefusesDuplicates, served
from tests.support.order_files import ROW, write_rows

pytestmark = pytest.mark.newest

PEOPLE = (1, 2, 6, 7, 12, 13, 14)
"""The items that a person has to confirm."""


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the vendor's hosts and this repository out."""
    monkeypatch.chdir(tmp_path)

    async def reached() -> list[Any]:
        return [good("both hosts are reached")]

    monkeypatch.setattr(trials, "about_hosts", reached)


@pytest.fixture
def code(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Make a repository with these files."""

    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "code"
        root.mkdir()
        for name, text in files.items():
            (root / name).write_text(text)
        subprocess.run(["git", "init", "-q", root], check=True)
        subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        return root

    return make


def orders(tmp_path: Path, *rows: dict[str, str]) -> str:
    # Its name is also that of a field, by which problems are sorted.
    return str(write_rows(tmp_path / "parcels.csv", [{**ROW, **row} for row in rows]))


def confirmed(tmp_path: Path, *numbers: int, met: bool = True) -> str:
    path = tmp_path / "go-live.json"
    said = {"met": met, "by": "Dana", "on": "2026-11-28", "note": "see the wiki | page"}
    path.write_text(json.dumps({str(number): said for number in numbers}))
    return str(path)


def results(ended: Ended) -> dict[int, str]:
    return {line["item"]: line["result"] for line in ended.json_lines}


def found(ended: Ended, item: int) -> str:
    return next(" ".join(each["text"] for each in line["found"]) for line in ended.json_lines if line["item"] == item)


async def test_with_the_example_project_all_is_met(
    run: Run, sandbox: Sandbox, tmp_path: Path, code: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = Path(__file__).parents[2] / "examples" / "shop"
    root = code({path.name: path.read_text() for path in example.glob("*.py")})
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", SECRET)
    store = SqlStore(str(tmp_path / "events.sqlite"))
    await store.totals()
    await store.close()
    monkeypatch.setenv("KASPI_WEBHOOK_STORE", str(tmp_path / "events.sqlite"))
    async with served(Receiver()) as url:
        ended = await run(
            *("check", "--full", "--json", "--code", str(root), "--receiver", url),
            *("--orders", orders(tmp_path, {})),
            *("--confirmations", confirmed(tmp_path, *PEOPLE), "--markdown", str(tmp_path / "page.md")),
        )
    assert results(ended) == dict.fromkeys(range(1, 15), "ok")
    assert ended.code == 0
    page = (tmp_path / "page.md").read_text()
    assert "14 of 14 items are met, 0 open, 0 not met" in page
    assert page.count("| ✓ met |") == 14
    assert "confirmed by Dana on 2026-11-28: see the wiki \\| page" in page
    assert "dead letters: 0 now" in found(ended, 14)
    assert sandbox.requests.total == 2  # for a delivery that cannot exist, with the key and without one
    assert {request.operation for request in sandbox.requests} == {"get"}


async def test_without_anything_each_item_says_what_it_needs(run: Run, tmp_path: Path, sandbox: Sandbox) -> None:
    ended = await run("check", "--full", "--code", str(tmp_path), "--confirmations", str(tmp_path / "none.json"))
    assert ended.code == 1
    for text in ("--receiver names no URL", "--orders names no file", "is in no git repository", "to be confirmed: Is"):
        assert text in ended.out
    assert "3 of 14 items are met, 11 open, 0 not met" in ended.out
    assert sum(line[:8].strip() in {"ok", "open", "failed"} for line in ended.out.splitlines()) == 14
    assert not (tmp_path / "none.json").exists()


FILES = {
    "literal": {"app.py": 'DeliveryClient("your-api-key")\nclient = DeliveryClient("kz_live_0123456789")'},
    "literal by name": {"app.py": 'client = DeliveryClient(api_key="kz_live_0123456789")'},
    "committed .env": {".env": "export KASPI_API_KEY=kz_live_0123456789\n"},
    "manifest": {"deploy.yaml": "env:\n  - KASPI_WEBHOOK_SECRET: 'kz_hook_0123456789'\n"},
    "the key itself": {"notes.txt": "the key is the-very-own-key-of-the-shop"},
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
async def test_a_key_in_source_control_fails_without_being_shown(
    files: dict[str, str], run: Run, sandbox: Sandbox, code: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.api_key = "the-very-own-key-of-the-shop"
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    ended = await run("check", "--full", "--json", "--code", str(code(files)))
    assert (results(ended)[1], results(ended)[2]) == ("failed", "failed")
    assert f"a key or secret is in {next(iter(files))}; " in found(ended, 2)
    assert "0123456789" not in ended.out
    assert "own-key" not in ended.out


async def test_placeholders_and_files_that_are_not_tracked_are_none(
    run: Run, sandbox: Sandbox, code: Callable[..., Path]
) -> None:
    root = code({
        ".env.example": "KASPI_API_KEY=your-key-goes-here\nKASPI_WEBHOOK_SECRET=${SECRET_FROM_VAULT}\n",
        "app.py": 'DeliveryClient("your-api-key")\nDeliveryClient(key)\nDeliveryClient()\nhandlers["x"]()\n',
        "old.py": "print 'python 2'",
        "large.bin": "KASPI_API_KEY=kz_live_0123456789\n" + "x" * 2_000_000,
    })  # fmt: skip
    (root / ".env").write_text("KASPI_API_KEY=kz_live_0123456789")
    (root / "old.py").unlink()
    ended = await run("check", "--full", "--json", "--code", str(root))
    assert results(ended)[2] == "open"
    assert found(ended, 2) == "no key or secret is in the files under source control"


async def test_a_file_that_cannot_be_read_is_passed_over(
    run: Run, sandbox: Sandbox, code: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = code({"secret.env": "KASPI_API_KEY=kz_live_0123456789"})
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "secret.env":
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    ended = await run("check", "--full", "--json", "--code", str(root))
    assert results(ended)[2] == "open"


async def test_keys_that_are_new_each_time_fail(run: Run, sandbox: Sandbox, code: Callable[..., Path]) -> None:
    root = code({
        "a.py": "await client.create_delivery(order, idempotency_key=str(uuid4()))\n",
        "b.py": "x = 1\nDeliveryRequest(external_order_id=f'order-{time.time()}')\n",
        "c.py": "client.cancel_delivery(id, idempotency_key=secrets.token_hex())\n"
        "client.create_delivery(order, idempotency_key=order.id)\nclient.cancel_delivery(id)\n",
        "d.py": "DeliveryRequest(external_order_id=datetime.now().isoformat())",
        "e.py": "def broken(external_order_id",
    })  # fmt: skip
    ended = await run("check", "--full", "--json", "--code", str(root))
    assert results(ended)[4] == "failed"
    assert "a.py:1, b.py:2, c.py:1 and 1 more" in found(ended, 4)


@pytest.mark.parametrize(
    ("rows", "failed"),
    [
        ([{}, {}], {8}),
        ([{"dropoff.contact.phone": ""}], {9}),
        ([{"parcel.weightGrams": "", "parcel.valueKzt": "x"}], {10}),
        ([{"dropoff.contact.name": "", "parcel.weightGrams": ""}], {9, 10}),
        ([{"parcel.weightGrams": "0"}], {10}),
        ([{"parcel.valueKzt": "0"}], {10}),
        ([], {8, 9, 10}),
    ],
)
async def test_orders_are_looked_at_without_being_sent(
    rows: list[dict[str, str]], failed: set[int], run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    ended = await run("check", "--full", "--json", "--orders", orders(tmp_path, *rows))
    assert {
        number for number, result in results(ended).items() if result == "failed" and number in {8, 9, 10}
    } == failed
    assert len(sandbox.deliveries) == 0


async def test_a_receiver_that_fails_the_exam_fails_the_item(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(RefusesDuplicates()) as url:
        unexamined = await run("check", "--full", "--json", "--receiver", url)
        monkeypatch.setenv("KASPI_WEBHOOK_SECRET", SECRET)
        ended = await run("check", "--full", "--json", "--receiver", url)
    async with served(AcceptsGet()) as url:
        warned = await run("check", "--full", "--json", "--receiver", url)
    assert (results(unexamined)[6], results(ended)[6], results(warned)[6]) == ("open", "failed", "open")
    assert "failed in duplicate, same-message, duplicates-at-once" in found(ended, 6)
    assert "passes the exam; warnings: get" in found(warned, 6)


async def test_a_key_that_is_not_accepted_fails(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "another")
    refused = await run("check", "--full", "--json")
    monkeypatch.delenv("KASPI_API_KEY")
    missing = await run("check", "--full", "--json")
    assert (results(refused)[1], results(missing)[1]) == ("failed", "failed")
    assert "401" in found(refused, 1)


async def test_what_people_know_is_asked_once_and_kept(
    run: Run, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    known = confirmed(tmp_path, 1, 2, 6)
    said = Terminal("yes, in our wiki\nDana\n\nno not yet\nmaybe\n")
    monkeypatch.setattr(io, "TextIOWrapper", lambda *_a, **_m: said)
    ended = await run("check", "--full", "--confirmations", known)
    kept = json.loads(Path(known).read_text())
    assert "7. Do your logs show" in ended.err
    assert "1. Is the sandbox key" not in ended.err
    assert sorted(map(int, kept)) == [1, 2, 6, 7, 13]
    assert kept["7"] == {"met": True, "by": "Dana", "on": kept["7"]["on"], "note": "in our wiki"}
    assert (kept["13"]["met"], kept["13"]["note"]) == (False, "not yet")
    assert "denied by Dana" in ended.out


@pytest.mark.parametrize("text", ["[]", "{", '{"1": {"met": "yes", "by": "D", "on": "2026-11-28"}}', '{"1": {}}'])
async def test_a_file_that_holds_no_confirmations_is_refused(
    run: Run, sandbox: Sandbox, tmp_path: Path, text: str
) -> None:
    (tmp_path / "go-live.json").write_text(text)
    ended = await run("check", "--full", "--confirmations", str(tmp_path / "go-live.json"))
    assert (ended.code, "is no file of confirmations" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--receiver", "http://127.0.0.1:9/"), "go with --full"),
        (("--full", "--receiver", "http://shop.test/"), "--i-own-this-url"),
        (("--full", "--markdown", "/no/such/folder/page.md"), "--markdown: /no/such/folder/page.md cannot be written"),
    ],
)
async def test_wrong_usage_is_named(
    arguments: tuple[str, ...], said: str, run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", SECRET)
    ended = await run("check", *arguments)
    assert (ended.code, said in ended.err) == (2, True)


async def test_confirmations_that_cannot_be_kept_are_an_error(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(io, "TextIOWrapper", lambda *_a, **_m: Terminal())
    ended = await run("check", "--full", "--confirmations", "/no/such/folder/go-live.json")
    assert (ended.code, "cannot be written" in ended.err) == (2, True)


async def test_an_inbox_that_cannot_be_read_fails(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").write_text("this is no database" * 100)
    missing = await trials.about_store(str(tmp_path / "none.sqlite"))
    broken = await trials.about_store(str(tmp_path / "events.sqlite"))
    assert [each.is_good for each in (*missing, *broken)] == [False, False]


async def test_without_git_nothing_is_known_of_the_code(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = await run("check", "--full", "--json")
    assert (results(ended)[2], results(ended)[4]) == ("open", "open")


async def test_hosts_are_reached_by_tls_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("sandbox.kaspi.kz").configure_cert(context)
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    connect = asyncio.open_connection
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def connect_here(host: str, _port: int, **more: Any) -> Any:
        return await connect("127.0.0.1", port, server_hostname=host, **more)

    monkeypatch.setattr(asyncio, "open_connection", connect_here)
    with authority.cert_pem.tempfile() as file:
        monkeypatch.setenv("SSL_CERT_FILE", file)
        async with server:
            reached = {each.text.partition(":")[0].split()[0]: each.is_good for each in await trials.about_hosts()}
            while not received:
                await asyncio.sleep(0.01)
    assert reached == {"sandbox.kaspi.kz": True, "api.kaspi.kz": False}
    assert received == [b""]
