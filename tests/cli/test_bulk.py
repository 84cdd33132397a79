"""The bulk commands, through the real entry point."""

import asyncio
import csv
import json
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import made, once, until
from tests.support.cli_process import FULL, NO_SPACE, full_pipe, needs_full_device, started, unmeasured, unread_pipe
from tests.support.cli_runner import Run, RunInto
from tests.support.order_files import ROW, write_orders, write_rows

DASK_PORT = 8787
"""Where Dask listens by itself for those who want to watch."""


@pytest.fixture(autouse=True)
def _pointed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("KASPI_BASE_URL", sandbox.base_url)


@pytest.fixture
def orders_file(tmp_path: Path) -> str:
    return str(write_orders(tmp_path / "orders.csv", 20))


async def test_create_reports_and_continues(
    run: Run, sandbox: Sandbox, orders_file: str, file: str, tmp_path: Path
) -> None:
    results = tmp_path / "out.csv"
    ended = await run("bulk", "create", orders_file, "--journal", file, "--results", str(results))
    assert (ended.code, ended.err) == (0, "")
    assert "20 created" in ended.out
    assert made(sandbox) == once(20)
    with results.open(newline="") as written:
        rows = list(csv.DictReader(written))
    assert list(rows[0])[:4] == ["place", "orderId", "state", "deliveryId"]
    assert {row["orderId"]: row["deliveryId"] for row in rows} == {
        record.external_order_id: record.delivery_id for record in sandbox.deliveries.values()
    }
    again = await run("bulk", "create", orders_file, "--journal", file, "--json")
    assert again.code == 0
    *lines, summary = again.json_lines
    assert [line["known"] for line in lines] == [True] * 20
    assert (summary["event"], summary["created"], summary["known"]) == ("summary", 20, 20)
    assert sandbox.requests.total == 20


async def test_what_excel_writes_is_created_with_the_documented_options(
    run: Run,
    sandbox: Sandbox,
    file: str,
    tmp_path: Path,
) -> None:
    header = ";".join(ROW).replace("externalOrderId", "Заказ") + ";Менеджер"
    row = ";".join({**ROW, "externalOrderId": "заказ-1", "parcel.valueKzt": "18\xa0000"}.values()) + ";Олжас"
    source = tmp_path / "orders.csv"
    source.write_bytes(f"{header}\r\n{row}\r\n".encode("windows-1251"))
    ended = await run(
        *("bulk", "create", str(source), "--journal", file, "--encoding", "windows-1251", "--grouped-numbers"),
        *("--map", "Заказ=externalOrderId", "--map", "Менеджер=", "--delimiter", ";"),
    )
    assert ended.code == 0, ended.err
    assert made(sandbox) == {"заказ-1": 1}


async def test_a_dry_run_checks_all_and_sends_nothing(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "orders.csv", [ROW, {**ROW, "parcel.weightGrams": "0,8"}, ROW])
    ended = await run("bulk", "create", str(source), "--dry-run")
    assert ended.code == 2
    assert ended.out.splitlines() == [
        (
            "orders.csv, line 3: column parcel.weightGrams: the number has decimals; "
            "expected a whole number, such as 18000"
        ),
        "orders.csv, line 4: repeats the order id of orders.csv, line 2; give each delivery its own",
        "1 valid, 2 invalid; nothing was sent",
    ]
    assert sandbox.requests.total == 0


async def test_a_dry_run_of_good_orders(run: Run, orders_file: str) -> None:
    ended = await run("bulk", "create", orders_file, "--dry-run", "--json")
    assert (ended.code, ended.json) == (0, {"event": "summary", "good": 20, "wrong": 0})


async def test_failures_are_summed_up_by_error(run: Run, sandbox: Sandbox, tmp_path: Path, file: str) -> None:
    sandbox.faults.add("create:400:count=1")
    rows = [{**ROW, "externalOrderId": f"order-{number}"} for number in range(3)]
    source = write_rows(tmp_path / "orders.csv", [*rows, {**rows[0], "externalOrderId": ""}])
    ended = await run("bulk", "create", str(source), "--journal", file, "--concurrency", "1", "--rate", "1000")
    assert ended.code == 1
    assert "1 rejected" in ended.out
    assert "1 failed" in ended.out
    assert "1 x BadRequestError, for example orders.csv, line 2: create_delivery: HTTP 400" in ended.out
    assert "1 x InvalidRequestError, for example orders.csv, line 5: column externalOrderId: is empty" in ended.out


@pytest.mark.assumes("server-errors=forgotten")
async def test_open_orders_have_an_exit_code_and_are_resumed(
    run: Run,
    sandbox: Sandbox,
    orders_file: str,
    file: str,
) -> None:
    sandbox.faults.add("create:500:retry-after=1:replay=true")
    ended = await run("bulk", "create", orders_file, "--journal", file)
    assert ended.code == 3
    assert "20 sent" in ended.out
    sandbox.faults.clear()
    resumed = await run("bulk", "resume", file, "--rate", "500")
    assert resumed.code == 0
    assert made(sandbox) == once(20)


async def test_status_and_export(run: Run, sandbox: Sandbox, orders_file: str, file: str, tmp_path: Path) -> None:
    await run("bulk", "create", orders_file, "--journal", file)
    status = await run("bulk", "status", file)
    assert "20 created" in status.out
    assert f"orders for {sandbox.base_url.split('/')[2]}" in status.out
    assert (await run("bulk", "status", file, "--json")).json["created"] == 20
    exported = await run("bulk", "export", file)
    assert {row["orderId"] for row in csv.DictReader(exported.out.splitlines())} == set(once(20))
    assert len((await run("bulk", "export", file, "--json")).json_lines) == 20
    target = tmp_path / "export.csv"
    assert (await run("bulk", "export", file, "--output", str(target))).out == ""
    assert target.read_text() == exported.out


async def test_an_empty_journal_has_a_status(run: Run, file: str, tmp_path: Path) -> None:
    empty = tmp_path / "orders.jsonl"
    empty.write_text("\n")
    created = await run("bulk", "create", str(empty), "--journal", file)
    assert (created.code, created.out) == (0, "no orders\n")
    assert "no orders" in (await run("bulk", "status", file)).out


async def test_a_pause_is_reported(run: Run, sandbox: Sandbox, orders_file: str, file: str) -> None:
    """A pause longer than a call: the process waits, says so, and ends gently when it is asked to."""
    sandbox.faults.add("create:429:retry-after=3600")
    for options, shown in ((["--json"], b'"event":"paused"'), ([], b"Rate limited: resuming in ")):
        async with started("bulk", "create", orders_file, "--journal", file, *options) as process:
            stream = process.stdout if options else process.stderr
            assert stream is not None
            while shown not in (line := await stream.readline()):
                assert line
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
            assert process.returncode == 143
            assert b"Interrupted." in err
            assert b"Traceback" not in err


async def test_ctrl_c_lets_those_in_flight_end(sandbox: Sandbox, tmp_path: Path, file: str, run: Run) -> None:
    sandbox.faults.add("create:latency:seconds=0.1")
    source = str(write_orders(tmp_path / "orders.csv", 2000))
    async with started("bulk", "create", source, "--journal", file, "--concurrency", "5", "--json") as process:
        await until(lambda: sandbox.requests.total >= 40)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130
    assert err.decode().strip().endswith("the same command resumes the run.")
    assert json.loads(out.splitlines()[-1])["event"] == "summary"
    status = (await run("bulk", "status", file, "--json")).json
    assert status["created"] == len(sandbox.deliveries) == sandbox.requests.total < 2000
    assert status["sent"] == 0


async def test_a_wrong_key_ends_the_run_with_its_error(
    run: Run,
    sandbox: Sandbox,
    orders_file: str,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KASPI_API_KEY", "wrong")
    ended = await run("bulk", "create", orders_file, "--journal", file)
    assert ended.code == 1
    assert "HTTP 401" in ended.err
    assert (await run("bulk", "status", file, "--json")).json["pending"] == 20


@pytest.mark.usefixtures("little_room_for_lists")
async def test_a_full_disk_ends_a_dry_run(run: Run, tmp_path: Path) -> None:
    """What was met is kept in a temporary file once it is more than SQLite holds in memory."""
    rows = ({**ROW, "externalOrderId": str(number)} for number in range(500))
    ended = await run("bulk", "create", str(write_rows(tmp_path / "orders.csv", rows)), "--dry-run")
    assert ended.code == 1
    assert ended.err.startswith("Error: the list of orders that were met cannot be kept: ")


@pytest.mark.processes
async def test_a_full_disk_ends_the_run_and_leaves_the_journal_intact(
    sandbox: Sandbox,
    tmp_path: Path,
    file: str,
    run: Run,
) -> None:
    source = str(write_orders(tmp_path / "orders.csv", 500))
    limited = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", 'trap "" XFSZ; ulimit -f 512; exec "$@"', "sh"),  # no file beyond 256 KiB
        *(sys.executable, "-m", "kaspi_delivery_async.cli", "bulk", "create", source, "--journal", file),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=unmeasured(),
    )
    _, err = await limited.communicate()
    assert limited.returncode == 3  # a response may have come that could not be noted
    assert b"run.sqlite cannot be used: " in err
    assert b"Traceback" not in err
    assert len(sandbox.deliveries) < 500
    assert (await run("bulk", "create", source, "--journal", file)).code == 0
    assert made(sandbox) == once(500)


STOPPED = "Orders in flight were completed; `bulk export` shows them, the same command resumes the run."


def said(err: str) -> dict[str, str]:
    """The deliveries by order that stderr names."""
    return {words[1]: words[3] for line in err.splitlines() if len(words := line.split("  ")) == 4 and words[3]}


def deliveries(sandbox: Sandbox) -> dict[str, str]:
    return {record.external_order_id: record.delivery_id for record in sandbox.deliveries.values()}


@needs_full_device
@pytest.mark.parametrize("form", [(), ("--json",)])
async def test_a_full_output_stops_the_run_and_stderr_has_the_report(
    run: Run, run_into: RunInto, sandbox: Sandbox, tmp_path: Path, file: str, form: tuple[str, ...]
) -> None:
    source = str(write_orders(tmp_path / "orders.csv", 50))
    with FULL.open("wb") as output:
        code, err = await run_into(output, "bulk", "create", source, "--journal", file, "--concurrency", "2", *form)
    assert code == 3
    assert err.startswith(f"Error: {NO_SPACE}. {STOPPED}\n")
    assert f"{len(sandbox.deliveries)} created" in err
    assert said(err) == (deliveries(sandbox) if form else {})  # as text, there is no more than a summary in the end
    assert (len(sandbox.deliveries) == 50) is (form == ())
    status = (await run("bulk", "status", file, "--json")).json
    assert (status["created"], status["sent"]) == (len(sandbox.deliveries), 0)
    assert (await run("bulk", "create", source, "--journal", file)).code == 0
    assert made(sandbox) == once(50)


@needs_full_device
async def test_a_dry_run_a_status_and_an_export_that_cannot_be_written(
    run: Run, run_into: RunInto, orders_file: str, file: str
) -> None:
    await run("bulk", "create", orders_file, "--journal", file)
    with FULL.open("wb") as output:
        for arguments in (["create", orders_file, "--dry-run"], ["status", file], ["export", file]):
            assert await run_into(output, "bulk", *arguments) == (1, f"Error: {NO_SPACE}\n")


@pytest.mark.parametrize("form", [(), ("--json",)])
async def test_a_run_whose_reader_has_gone_reports_on_stderr(
    run_into: RunInto, sandbox: Sandbox, orders_file: str, file: str, form: tuple[str, ...]
) -> None:
    with unread_pipe() as output:
        code, err = await run_into(output, "bulk", "create", orders_file, "--journal", file, *form)
        assert await run_into(output, "bulk", "export", file) == (141, "")  # so short that it is written at the end
    assert code == 141
    assert f"{len(sandbox.deliveries)} created" in err
    assert said(err) == (deliveries(sandbox) if form else {})
    assert made(sandbox).keys() <= once(20).keys()


@needs_full_device
async def test_a_full_disk_for_the_results_stops_the_run_and_stderr_has_them(
    sandbox: Sandbox, tmp_path: Path, file: str, run: Run
) -> None:
    source = str(write_orders(tmp_path / "orders.csv", 50))
    ended = await run("bulk", "create", source, "--journal", file, "--results", "/dev/full", "--concurrency", "2")
    assert ended.code == 3
    assert ended.err.startswith(f"Error: /dev/full cannot be written: No space left on device. {STOPPED}\n")
    assert said(ended.err) == deliveries(sandbox)
    assert "created" in ended.out
    status = (await run("bulk", "status", file, "--json")).json
    assert status["created"] == len(sandbox.deliveries) < 50
    assert status["sent"] == 0
    exported = await run("bulk", "export", file, "--output", "/dev/full")
    problem = "Error: /dev/full cannot be written: No space left on device; name another file\n"
    assert (exported.code, exported.err) == (2, problem)


async def test_rows_that_another_output_has_are_not_repeated_on_stderr(
    run_into: RunInto, sandbox: Sandbox, orders_file: str, file: str, tmp_path: Path
) -> None:
    results = tmp_path / "out.csv"
    with unread_pipe() as output:
        _, err = await run_into(
            output, *("bulk", "create", orders_file, "--journal", file, "--json", "--results", str(results))
        )
    assert said(err) == {}
    with results.open(newline="") as written:
        assert {row["orderId"]: row["deliveryId"] for row in csv.DictReader(written)} == deliveries(sandbox)


async def test_no_file_that_is_read_is_overwritten(run: Run, sandbox: Sandbox, orders_file: str, file: str) -> None:
    content = await asyncio.to_thread(Path(orders_file).read_bytes)
    for arguments in (
        ["create", orders_file, "--journal", file, "--results", orders_file],
        ["create", orders_file, "--journal", file, "--results", file],
        ["resume", f"sqlite:///{file}", "--results", file],
        ["export", file, "--output", file],
    ):
        ended = await run("bulk", *arguments)
        assert ended.code == 2
        assert "is read by this command and would be overwritten" in ended.err
    assert await asyncio.to_thread(Path(orders_file).read_bytes) == content
    assert (await run("bulk", "create", orders_file, "--journal", file)).code == 0


async def test_export_ends_quietly_when_nobody_reads_on(
    run: Run, run_into: RunInto, orders_file: str, file: str
) -> None:
    """As before `head`."""
    await run("bulk", "create", orders_file, "--journal", file)
    reading, writing = full_pipe()
    export = asyncio.create_task(run_into(writing, "bulk", "export", file))
    await until(lambda: any(thread.name == "kaspi-delivery-output" for thread in threading.enumerate()))
    os.close(reading)
    assert await export == (141, "")
    os.close(writing)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["create", "{orders}"], "--journal is required"),
        (["create", "missing.csv", "--journal", "{journal}"], "missing.csv: cannot be read: No such file"),
        (["create", "{orders}", "--journal", "{journal}", "--map", "x"], "expected NAME=FIELD"),
        (["create", "{orders}", "--journal", "{journal}", "--map", "=x"], "expected NAME=FIELD"),
        (["create", "{orders}", "--journal", "{journal}", "--results", "/no/such/place"], "cannot be written"),
        (["create", "{orders}", "--journal", "/no/such/place"], "cannot be used: No such file"),
        (["create", "{orders}", "--journal", "{journal}", "--rate", "0"], "rate"),
        (
            ["create", "{orders}", "--journal", "{journal}", "--scheduler", "tcp://127.0.0.1:9"],
            "cannot share an SQLite file",
        ),
        (["create", "{orders}", "--journal", "{journal}", "--delimiter", "tab"], "missing columns"),
        (["status", "{journal}"], "there is no journal"),
        (["resume", "{journal}"], "there is no journal"),
        (["export", "mysql://x/y"], "mysql:// is no database location"),
    ],
)
async def test_bad_arguments_are_named(
    run: Run,
    sandbox: Sandbox,
    orders_file: str,
    file: str,
    arguments: list[str],
    named: str,
) -> None:
    ended = await run("bulk", *(argument.format(orders=orders_file, journal=file) for argument in arguments))
    assert ended.code == 2
    assert named in ended.err
    assert sandbox.requests.total == 0


async def test_a_terminal_is_shown_progress(
    run: Run, orders_file: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    ended = await run("bulk", "create", orders_file, "--journal", file)
    assert "created 20  replayed 0  rejected 0  in doubt 0" in ended.err
    assert "100%" in ended.err


@pytest.mark.long
async def test_a_pause_on_dask_is_reported(sandbox: Sandbox, orders_file: str, file: str) -> None:
    pytest.importorskip("distributed")
    sandbox.faults.add("create:429:retry-after=3600")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kaspi_delivery_async.cli", "bulk", "create", orders_file, "--journal", file, "--dask"),
        *("--json",),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b'"event":"workers"' in (line := await process.stdout.readline()):
            pass
    assert b'"event":"paused"' in line
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 143


@pytest.mark.filterwarnings("default")
async def test_ctrl_c_in_a_terminal_ends_a_run_on_dask_gently(
    sandbox: Sandbox, tmp_path: Path, file: str, run: Run
) -> None:
    """A terminal interrupts the workers' processes, too."""
    pytest.importorskip("distributed")
    sandbox.faults.add("create:latency:seconds=0.05")
    source = str(write_orders(tmp_path / "orders.csv", 500))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kaspi_delivery_async.cli", "bulk", "create", source, "--journal", file),
        *("--dask", "--rate", "100"),
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    await until(lambda: sandbox.requests.total >= 20)
    os.killpg(process.pid, signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    # Dask may add that it ends a worker, on a machine that is slow.
    said_here = [line for line in err.decode().splitlines() if " - distributed." not in line]
    assert said_here == [
        "Interrupted. Orders in flight were completed; `bulk status` shows them, the same command resumes the run."
    ]
    status = (await run("bulk", "status", file, "--json")).json
    assert status["created"] == len(sandbox.deliveries) < 300
    assert status["sent"] == 0


@pytest.mark.filterwarnings("default", "error:Port .* is already in use")
async def test_dask_without_an_address_starts_a_cluster_here(
    run: Run, sandbox: Sandbox, orders_file: str, file: str
) -> None:
    pytest.importorskip("distributed")
    with socket.socket() as other_cluster:
        with suppress(OSError):  # somebody else is there
            other_cluster.bind(("127.0.0.1", DASK_PORT))
        ended = await run("bulk", "create", "--dask", orders_file, "--journal", file, "--rate", "500")
    assert (ended.code, ended.err) == (0, "")
    assert "20 created" in ended.out
    assert made(sandbox) == once(20)
