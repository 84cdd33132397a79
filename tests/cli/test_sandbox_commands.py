"""`sandbox serve` as a newcomer tries it, and the commands that control a running sandbox."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import orjson
import pytest

from kaspi_delivery_async import DeliveryClient
from kaspi_delivery_async.cli import main
from kaspi_delivery_async.models import DeliveryRequest, from_dict
from kaspi_delivery_async.sandbox import Clock, Sandbox
from kaspi_delivery_async.webhooks import WebhookVerifier
from tests.support.cli_process import first_line, started
from tests.support.cli_runner import ORDER, Run
from tests.support.described_api import Receiver

EVERY_ADDRESS = ".".join("0000")


@pytest.fixture(autouse=True)
def no_sandbox_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KASPI_SANDBOX_URL", raising=False)


async def create(sandbox: Sandbox, order_id: str = "order-742") -> str:
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        request = from_dict(DeliveryRequest, {**ORDER, "externalOrderId": order_id})
        return (await client.create_delivery(request)).delivery_id


@pytest.mark.parametrize("where", ["option", "base URL as option", "variable", "base URL variable"])
async def test_a_delivery_is_advanced_wherever_the_sandbox_is_named(
    where: str, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery_id = await create(sandbox)
    options: list[str] = []
    if where != "base URL variable":
        monkeypatch.setenv("KASPI_BASE_URL", "https://api.kaspi.kz/delivery")
    if where.endswith("option"):
        options = ["--url", sandbox.base_url if where.startswith("base") else sandbox.root_url]
    elif where == "variable":
        monkeypatch.setenv("KASPI_SANDBOX_URL", sandbox.root_url)
    ended = await run("sandbox", "advance", delivery_id, "delivered", "--notes", "Left at the door", *options)
    assert (ended.code, ended.out, ended.err) == (0, f"{delivery_id}  delivered\n", "")
    assert sandbox.deliveries[delivery_id].history[-1].notes == "Left at the door"


async def test_a_delivery_is_cancelled_and_everything_reset(sandbox: Sandbox, run: Run) -> None:
    delivery_id = await create(sandbox)
    assert (await run("sandbox", "cancel", delivery_id, "--reason", "Van broke down")).out.endswith("cancelled\n")
    assert sandbox.deliveries[delivery_id].history[-1].notes == "Van broke down"
    assert (await run("sandbox", "cancel", await create(sandbox, "order-743"), "--json")).json["status"] == "cancelled"
    assert (await run("sandbox", "reset")).out == "reset\n"
    assert len(sandbox.deliveries) == 0
    assert (await run("sandbox", "deliveries")).out == "no deliveries yet\n"


async def test_deliveries_and_requests_are_listed(sandbox: Sandbox, run: Run) -> None:
    assert (await run("sandbox", "requests")).out == "no requests yet\n"
    sandbox.faults.add("get:503:count=1")
    delivery_id = await create(sandbox)
    await create(sandbox)
    async with DeliveryClient(sandbox.api_key, base_url=sandbox.base_url) as client:
        await client.get_delivery(delivery_id)
    listed = await run("sandbox", "deliveries")
    assert listed.out.split() == [delivery_id, "created", "order-742"]
    assert (await run("sandbox", "requests")).out.splitlines() == [
        "POST /delivery/v1/deliveries 201 key=order-742",
        "POST /delivery/v1/deliveries 201 key=order-742 replayed",
        f"GET /delivery/v1/deliveries/{delivery_id} 503 fault=get:status:count=1",
        f"GET /delivery/v1/deliveries/{delivery_id} 200",
    ]
    assert (await run("sandbox", "requests", "--json")).json["total"] == 4


async def test_faults_are_added_listed_removed_and_cleared(sandbox: Sandbox, run: Run) -> None:
    assert (await run("sandbox", "faults", "list")).out == "no faults\n"
    assert (await run("sandbox", "faults", "add", "create:503:count=2")).out.startswith("1  create:status:count=2")
    await run("sandbox", "faults", "add", "get:drop-before")
    assert (await run("sandbox", "faults", "remove", "1")).out == "2  get:drop-before\n"
    assert (await run("sandbox", "faults", "clear")).out == "no faults\n"
    unknown = await run("sandbox", "faults", "remove", "7")
    assert (unknown.code, "there is no fault '7'" in unknown.err) == (1, True)


async def test_time_is_read_and_moved(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(clock=Clock.driven()) as sandbox:
        monkeypatch.setenv("KASPI_SANDBOX_URL", sandbox.root_url)
        assert (await run("sandbox", "clock", "show")).out == "2024-06-11T08:10:54Z  (0 s pass per second)\n"
        assert (await run("sandbox", "clock", "advance", "90")).out.startswith("2024-06-11T08:12:24Z")


async def test_an_event_is_sent_again(sandbox: Sandbox, run: Run) -> None:
    assert (await run("sandbox", "events", "list")).out == "no attempts yet\n"
    async with Receiver() as receiver:
        sandbox.webhook_url = receiver.url
        await create(sandbox)
        await sandbox.drain_webhooks()
        event_id = receiver.received[0].json["eventId"]
        assert (await run("sandbox", "events", "resend", event_id)).code == 0
        assert [received.json["eventId"] for received in receiver.received] == [event_id, event_id]
        assert (await run("sandbox", "events", "list")).out.splitlines() == [
            f"{event_id}  delivery.created  attempt 1: 200"
        ] * 2
    assert "there is no event" in (await run("sandbox", "events", "resend", "wh_nothing")).err


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["start"], 2, "kaspi-delivery sandbox serve"),
        (["start", "-p", "9000"], 2, "kaspi-delivery sandbox serve"),
        (["run"], 2, "kaspi-delivery sandbox serve"),
        (["advance", "dlv_x", "delivered", "--url", "http://127.0.0.1:9"], 2, "there is no sandbox at 127.0.0.1:9"),
        (["advance", "dlv_x", "delivered", "--url", "https://127.0.0.1:9"], 2, "the http URL that `sandbox serve`"),
        (["advance", "dlv_x", "delivered", "--url", "http://[::1"], 2, "the http URL that `sandbox serve`"),
        (["serve", "--webhook-secret", ""], 2, "change --webhook-secret"),
        (["serve", "--api-key", "a", "--api-key", "b c"], 2, "change --api-key"),
        (["serve", "--assume", "nonsense=1"], 2, "change --assume"),
        (["serve", "--assume", "keys-of=nobody"], 2, "change --assume"),
        (["serve", "--start", "yesterday"], 2, "--start: a time such as 2024-06-11T08:10:54Z"),
        (["serve", "--start", "2024-06-11T08:10:54"], 2, "--start: a time with its offset"),
    ],
)
def test_what_cannot_work_names_what_does(
    arguments: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sandbox", *arguments]) == code
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["serve", "--fault", "help"], ["faults", "add", "help"]], ids=" ".join)
def test_fault_help_lists_kinds_targets_and_settings(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", *arguments]) == 0
    out = capsys.readouterr().out
    for word in ("commit-then-drop", "delivery.in_transit", "retry-after=", "unknown-event", "order="):
        assert word in out


async def test_a_line_is_printed_for_each_request_and_attempt() -> None:
    async with started(
        "sandbox", "serve", "-p", "0", "--host", EVERY_ADDRESS, "--seed", "7", "--webhook-url", "http://127.0.0.1:9/"
    ) as process:
        assert process.stdout is not None
        printed = (await process.stdout.readuntil(b"sandbox clock advance")).decode()
        base_url = printed.split("base URL")[1].split()[0]
        async with aiohttp.ClientSession(headers={"x-api-key": "sandbox-key"}) as session:
            async with session.get(base_url.removesuffix("delivery") + "_sandbox/") as response:
                assert (await response.json())["status"] == "running"
            async with session.get(base_url) as response:
                assert "/delivery/v1/deliveries" in await response.text()
            async with session.get(
                f"{base_url}/v1/deliveries/dlv_none\x1b", headers={"Idempotency-Key": "\x9b31m"}
            ) as response:
                assert response.status == 404
            async with session.post(f"{base_url}/v1/deliveries", json=ORDER) as response:
                assert response.status == 201
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
    lines = out.decode().splitlines()
    assert base_url.startswith("http://127.0.0.1:")
    assert "seed            7;" in printed
    assert "POST /delivery/v1/deliveries 201" in lines
    assert "GET /delivery/v1/deliveries/dlv_none%1B 404 key=\N{REPLACEMENT CHARACTER}31m" in lines
    (attempt,) = [line for line in lines if line.startswith("webhook delivery.created dlv_")]
    assert "ClientConnectorError" in attempt
    assert "weightGrams" not in out.decode()
    assert err == b""


async def test_json_lines_are_printed_for_programs_and_bodies_when_asked_for() -> None:
    async with started("sandbox", "serve", "--port", "0", "--json", "--verbose") as process:
        facts = orjson.loads(await first_line(process))
        async with aiohttp.ClientSession(headers={"x-api-key": facts["apiKey"], "Idempotency-Key": "k"}) as session:
            for _ in range(2):
                async with session.post(f"{facts['baseUrl']}/v1/deliveries", json=ORDER) as response:
                    assert response.status == 201
        process.terminate()
        lines = [orjson.loads(line) for line in (await process.communicate())[0].splitlines()]
    assert [(line["event"], line["status"], line["replayed"]) for line in lines] == [
        ("request", 201, False),
        ("request", 201, True),
    ]
    assert orjson.loads(lines[0]["body"])["externalOrderId"] == "order-742"


async def test_each_start_gives_new_ids_and_prints_the_seed_that_gives_them_again() -> None:
    async def created(*arguments: str) -> tuple[int, str]:
        async with started("sandbox", "serve", "--port", "0", "--json", "--quiet", *arguments) as process:
            facts = orjson.loads(await first_line(process))
            async with DeliveryClient(facts["apiKey"], base_url=facts["baseUrl"]) as client:
                made = await client.create_delivery(from_dict(DeliveryRequest, ORDER))
                return facts["seed"], made.delivery_id

    (seed, first), (_, second) = await asyncio.gather(created(), created())
    assert first != second
    assert await created("--seed", str(seed)) == (seed, first)


async def test_webhooks_at_speed_0_are_accepted_by_a_receiver_with_a_clock_of_its_own() -> None:
    async with Receiver() as receiver:
        serve = ("sandbox", "serve", "--port", "0", "--json", "--quiet", "--speed", "0", "--webhook-url", receiver.url)
        async with started(*serve) as process:
            facts = orjson.loads(await first_line(process))
            async with DeliveryClient(facts["apiKey"], base_url=facts["baseUrl"]) as client:
                await client.create_delivery(from_dict(DeliveryRequest, ORDER))
            async with asyncio.timeout(10):
                while not receiver.received:
                    await asyncio.sleep(0.01)
    received = receiver.received[0]
    assert WebhookVerifier(["sandbox-secret"]).verify(received.body, received.headers).type == "delivery.created"
    assert (facts["now"], facts["keyLifeSeconds"]) == (1718093454.0, None)


async def test_the_start_says_to_programs_how_long_keys_live() -> None:
    async with started("sandbox", "serve", "--port", "0", "--json", "--speed", "600") as process:
        assert orjson.loads(await first_line(process))["keyLifeSeconds"] == 144


async def test_the_start_says_how_long_keys_live_and_when_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    async with started(
        "sandbox", "serve", "--port", "0", "--speed", "600", "--start", "2026-01-01T00:00:00Z"
    ) as process:
        assert process.stdout is not None
        printed = (await process.stdout.readuntil(b"export")).decode()
    assert "144 s here" in printed
    assert "2026-01-01T0" in printed  # ten hours of its time are a minute here, which a slow start may take


async def test_serve_reads_the_variables_of_the_other_commands_and_prints_no_key_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "key-of-the-environment")
    monkeypatch.setenv("KASPI_WEBHOOK_SECRET", "secret-of-the-environment,older")
    async with started("sandbox", "serve", "--port", "0") as process:
        assert process.stdout is not None
        printed = (await process.stdout.readuntil(b"sandbox clock advance")).decode()
        base_url = printed.split("base URL")[1].split()[0]
        async with DeliveryClient("key-of-the-environment", base_url=base_url) as client:
            await client.create_delivery(from_dict(DeliveryRequest, ORDER))
    assert "of-the-environment" not in printed


async def test_a_second_sandbox_on_a_state_file_ends_with_an_error_that_names_it(tmp_path: Path) -> None:
    state = str(tmp_path / "state.sqlite")
    serve = ("sandbox", "serve", "--port", "0", "--json", "--state-file", state)
    async with started(*serve) as first:
        await first_line(first)
        async with started(*serve) as second:
            _, err = await second.communicate()
        assert (second.returncode, state in err.decode(), b"Traceback" in err) == (2, True, False)
        first.kill()
        await first.wait()
    async with started(*serve) as third:
        assert orjson.loads(await first_line(third))["baseUrl"]
