"""create, get, cancel and watch against a sandbox."""

import signal

import orjson
import pytest

from kaspi_delivery_async.cli.environment import client_settings
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import until
from tests.support.cli_process import FULL, NO_SPACE, first_line, needs_full_device, started, unread_pipe
from tests.support.cli_runner import ORDER, Run, RunInto


async def _create(run: Run, order_file: str) -> str:
    return str((await run("create", order_file, "--json")).json["deliveryId"])


async def test_create_writes_one_json_object(run: Run, sandbox: Sandbox, order_file: str) -> None:
    ended = await run("create", order_file, "--json")
    (record,) = sandbox.deliveries.values()
    assert ended.code == 0
    assert ended.err == ""
    assert ended.out.count("\n") == 1
    assert ended.json == {
        "deliveryId": record.delivery_id,
        "status": "created",
        "trackingUrl": record.tracking_url,
        "eta": ended.json["eta"],
        "idempotencyKey": "order-742",
        "replayed": False,
        "attempts": 1,
    }


async def test_create_sends_the_order_that_was_given(run: Run, sandbox: Sandbox) -> None:
    assert (await run("create", "-", stdin=orjson.dumps(ORDER))).code == 0
    assert [record.request for record in sandbox.deliveries.values()] == [ORDER]


async def test_create_as_text_has_no_escape_sequences_in_a_pipe(run: Run, sandbox: Sandbox, order_file: str) -> None:
    ended = await run("create", order_file)
    (record,) = sandbox.deliveries.values()
    lines = ended.out.splitlines()
    assert lines[0] == f"{record.delivery_id}  created"
    assert f"  tracking   {record.tracking_url}" in lines
    assert "  key        order-742" in lines
    assert "\x1b" not in ended.out


async def test_create_again_orders_nothing_new_and_says_so(run: Run, sandbox: Sandbox, order_file: str) -> None:
    first, again = await run("create", order_file), await run("create", order_file)
    assert "no second courier was ordered" not in first.out
    assert "no second courier was ordered" in again.out
    assert len(sandbox.deliveries) == 1


async def test_create_takes_a_key(run: Run, sandbox: Sandbox, order_file: str) -> None:
    await run("create", order_file, "--idempotency-key", "mine-1")
    assert [record.idempotency_key for record in sandbox.deliveries.values()] == ["mine-1"]


async def test_create_with_a_changed_payload_has_failed(run: Run, sandbox: Sandbox, order_file: str) -> None:
    await run("create", order_file)
    changed = ORDER | {"parcel": ORDER["parcel"] | {"weightGrams": 900}}
    ended = await run("create", "-", stdin=orjson.dumps(changed))
    assert ended.code == 1
    assert "409" in ended.err
    assert len(sandbox.deliveries) == 1


@pytest.mark.meets("error-bodies", "server-errors")
async def test_create_with_an_unknown_outcome_has_an_exit_code_of_its_own(
    run: Run, sandbox: Sandbox, order_file: str
) -> None:
    sandbox.faults.add("create:500:replay=true")
    ended = await run("create", order_file)
    assert ended.code == 3
    assert "--idempotency-key order-742" in ended.err


@needs_full_device
async def test_a_write_whose_result_cannot_be_written_is_reported_on_stderr(
    run_into: RunInto, sandbox: Sandbox, order_file: str
) -> None:
    with FULL.open("wb") as output:
        for form in ((), ("--json",)):
            code, err = await run_into(output, "create", order_file, *form)
            (delivery_id,) = sandbox.deliveries
            done = f"create_delivery succeeded: delivery {delivery_id}, idempotency key order-742"
            assert (code, err) == (3, f"Error: {NO_SPACE}; {done}\n")
        code, err = await run_into(output, "cancel", delivery_id)
        done = f"cancel_delivery succeeded: delivery {delivery_id}, idempotency key {delivery_id}-cancel"
        assert (code, err) == (3, f"Error: {NO_SPACE}; {done}\n")
        assert await run_into(output, "get", delivery_id) == (1, f"Error: {NO_SPACE}\n")


async def test_a_write_whose_result_nobody_reads_does_not_pass_for_failed(
    run_into: RunInto, sandbox: Sandbox, order_file: str
) -> None:
    with unread_pipe() as output:
        for form in ((), ("--json",)):
            code, err = await run_into(output, "create", order_file, *form)
            (delivery_id,) = sandbox.deliveries
            assert code == 141
            assert err.endswith(f"create_delivery succeeded: delivery {delivery_id}, idempotency key order-742\n")
        assert (await run_into(output, "cancel", delivery_id))[0] == 141
        assert await run_into(output, "get", delivery_id) == (141, "")


@pytest.mark.processes
async def test_an_interrupted_create_says_that_it_may_have_been_carried_out(sandbox: Sandbox, order_file: str) -> None:
    sandbox.faults.add("create:stall")
    async with started("create", order_file) as process:
        await until(lambda: sandbox.requests.total > 0)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert b"may have been carried out" in err
    assert b"--idempotency-key order-742" in err


@pytest.mark.processes
async def test_a_get_that_is_terminated_has_nothing_to_say(sandbox: Sandbox) -> None:
    sandbox.faults.add("get:stall")
    async with started("get", "dlv_1") as process:
        await until(lambda: sandbox.requests.total > 0)
        process.send_signal(signal.SIGTERM)
        assert await process.communicate() == (b"", b"")
    assert process.returncode == 143


async def test_an_error_shows_neither_key_nor_personal_data(run: Run, sandbox: Sandbox, order_file: str) -> None:
    sandbox.api_key = "another"
    ended = await run("create", order_file)
    assert ended.code == 1
    assert ended.err.startswith("Error: create_delivery: HTTP 401")
    for secret in ("sandbox-key", "+7", "Satpayev", "Aigerim"):
        assert secret not in ended.err


@pytest.mark.usefixtures("sandbox")
async def test_get_shows_the_delivery(run: Run, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    ended = await run("get", delivery_id)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == f"{delivery_id}  created"
    assert "  to         89 Satpayev St, Almaty: Aigerim K., +7 701 000 0000 (Call when outside)" in lines
    assert "  from       42 Dostyk Ave, Almaty: Kaspi Pickup Hub, +7 727 000 0000" in lines
    assert "  parcel     Shoes, box, 800 g, 18000 ₸" in lines


async def test_get_with_history_lists_the_statuses(run: Run, sandbox: Sandbox, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    await sandbox.advance(delivery_id, "in_transit")
    ended = await run("get", delivery_id, "--history", "--json")
    assert [entry["status"] for entry in ended.json["history"]] == ["created", "accepted", "in_transit"]
    text = await run("get", delivery_id, "--history")
    assert [line.split()[-1] for line in text.out.splitlines()[-3:]] == ["created", "accepted", "in_transit"]


@pytest.mark.usefixtures("sandbox")
@pytest.mark.meets("error-bodies")
async def test_get_of_an_unknown_delivery_has_failed(run: Run) -> None:
    ended = await run("get", "dlv_none")
    assert (ended.code, ended.out) == (1, "")
    assert "404" in ended.err


@pytest.mark.usefixtures("sandbox")
async def test_get_in_colour_on_a_terminal(run: Run, order_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery_id = await _create(run, order_file)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1m" in (await run("get", delivery_id)).out


async def test_cancel_sends_the_reason_and_shows_the_delivery(run: Run, sandbox: Sandbox, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    ended = await run("cancel", delivery_id, "--reason", "no longer wanted", "--json")
    assert ended.code == 0
    assert ended.json["status"] == "cancelled"
    assert sandbox.deliveries[delivery_id].status == "cancelled"
    assert orjson.loads(sandbox.requests[-1].body) == {"reason": "no longer wanted"}
    assert sandbox.requests[-1].headers["Idempotency-Key"] == f"{delivery_id}-cancel"


@pytest.mark.meets("refusals")
async def test_cancel_too_late_has_failed(run: Run, sandbox: Sandbox, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    await sandbox.advance(delivery_id, "in_transit")
    ended = await run("cancel", delivery_id)
    assert ended.code == 1
    assert "too late to cancel" in ended.err


async def test_watch_writes_a_json_line_for_each_status(run: Run, sandbox: Sandbox, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    await sandbox.advance(delivery_id, "delivered")
    ended = await run("watch", delivery_id, "--json")
    assert ended.code == 0
    assert [line["status"] for line in ended.json_lines] == [
        "created", "accepted", "in_transit", "out_for_delivery", "delivered",
    ]  # fmt: skip
    assert {line["deliveryId"] for line in ended.json_lines} == {delivery_id}
    assert all(line["timestamp"].endswith("Z") for line in ended.json_lines)


async def test_watch_ends_well_when_the_delivery_is_cancelled(run: Run, sandbox: Sandbox, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    await sandbox.cancel(delivery_id)
    ended = await run("watch", delivery_id)
    assert ended.code == 0
    assert [line.split()[-1] for line in ended.out.splitlines()] == ["created", "cancelled"]


@pytest.mark.usefixtures("sandbox")
async def test_watch_gives_up_after_its_time(run: Run, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    ended = await run("watch", delivery_id, "--timeout", "0.2")
    assert ended.code == 1
    assert ended.out.split()[-1] == "created"
    assert "timed out" in ended.err


async def test_ctrl_c_ends_watch_without_a_trace(run: Run, sandbox: Sandbox, order_file: str) -> None:
    delivery_id = await _create(run, order_file)
    async with started("watch", delivery_id) as process:
        assert b"created" in await first_line(process)
        process.send_signal(signal.SIGINT)
        assert await process.communicate() == (b"", b"")
    assert process.returncode == 130
    assert sandbox.deliveries[delivery_id].status == "created"


async def test_an_option_wins_over_the_environment(
    run: Run, sandbox: Sandbox, order_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASPI_BASE_URL", "https://nobody.invalid/delivery")
    assert (await run("create", order_file, "--base-url", sandbox.base_url)).code == 0
    assert len(sandbox.deliveries) == 1


def test_a_named_environment_sets_the_base_url_of_the_environment_variables_aside() -> None:
    """Otherwise `--environment production` would go on to a sandbox, or the other way round."""
    settings = client_settings({"KASPI_BASE_URL": "http://127.0.0.1:1"}, base_url=None, environment="production")
    assert settings == {"KASPI_ENVIRONMENT": "production"}


def test_a_base_url_option_holds_beside_a_named_environment() -> None:
    settings = client_settings({}, base_url="https://proxy.example/delivery", environment="production")
    assert settings == {"KASPI_ENVIRONMENT": "production", "KASPI_BASE_URL": "https://proxy.example/delivery"}
