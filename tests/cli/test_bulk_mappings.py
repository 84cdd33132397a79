"""`bulk create` with the export of a shop's own system: what is shown before anything is sent."""

import asyncio
import os
import pty
import tomllib
from pathlib import Path

import pytest

from kaspi_delivery_async.sandbox import Sandbox
from tests.support.bulk_runs import made
from tests.support.cli_process import COMMAND
from tests.support.cli_runner import Run
from tests.support.order_files import write_orders

MAPPING = """
preset = "opencart"
[constants]
"pickup.address" = "Абая 1"
"pickup.contact.name" = "Склад"
"pickup.contact.phone" = "+7 727 000 0000"
[[keep]]
column = "status"
values = ["Новый"]
"""
HEADING = "order_id\ttelephone\tcustomer\tshipping_address\tweight\ttotal\tstatus"
CELLS = "\t+7 701 000 0001\tДана\tАбая 1\t0,8\t18 000\tНовый"


@pytest.fixture(autouse=True)
def _pointed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KASPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("KASPI_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("LANGUAGE", "en")


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING)
    return str(path)


@pytest.fixture
def export(tmp_path: Path) -> str:
    rows = ["1", "2", "3", "4", "5", "6"]
    lines = [HEADING, *(number + CELLS for number in rows), "Итого\t\t\t\t\t108000\t"]
    lines[3] = lines[3].replace("Новый", "Странный")
    lines[4] = lines[4].replace("Новый", "Отменён")
    lines[5] = lines[5].replace("18 000", "18000,50")
    lines[6] = lines[6].replace("0,8", "12,5")
    path = tmp_path / "orders.txt"
    path.write_text("\n".join(lines))
    return str(path)


async def test_a_dry_run_says_what_would_be_sent(run: Run, sandbox: Sandbox, export: str, mapping: str) -> None:
    ended = await run("bulk", "create", export, "--mapping", mapping, "--dry-run")
    assert ended.code == 2
    assert ended.out.splitlines() == [
        "warning: orders.txt, line 3: 2 has the receiver and the parcel of 1 (orders.txt, line 2); is it one order?",
        (
            "orders.txt, line 6: column 'total' (parcel.valueKzt): the number has decimals; correct it, or say in the "
            "mapping how to round it ([rounding])"
        ),
        "left out, 1: total: Итого (line 8)",
        "left out, 1: status: Странный, which the mapping neither keeps nor skips: 3 (line 4)",
        "left out, 1: status: Отменён: 4 (line 5)",
        "3 valid, 1 invalid; nothing was sent",
        "3 left out, 2 warnings",
        "total value 54 000 ₸; the heaviest parcel weighs 12.5 kg: 6 (orders.txt, line 7)",
    ]
    assert sandbox.requests.total == 0


async def test_a_program_gets_the_same_as_lines_of_json(run: Run, export: str, mapping: str) -> None:
    ended = await run("bulk", "create", export, "--mapping", mapping, "--dry-run", "--json")
    warning, problem, total, *_, summary = ended.json_lines
    assert (warning["event"], problem["event"]) == ("warning", "problem")
    assert total == {"event": "leftOut", "reason": "total", "count": 1, "orders": ["Итого (line 8)"]}
    assert summary == {
        "event": "summary",
        "good": 3,
        "wrong": 1,
        "leftOut": 3,
        "warnings": 2,
        "valueKzt": 54000,
        "heaviestGrams": 12500,
    }


async def test_a_preset_alone_says_what_only_the_shop_knows(run: Run, export: str) -> None:
    ended = await run("bulk", "create", export, "--preset", "opencart", "--dry-run")
    assert ended.code == 2
    assert "these fields have no column, constant or default: pickup.address" in ended.err


async def test_a_file_without_a_valid_order_is_summed_up_too(run: Run, tmp_path: Path, mapping: str) -> None:
    path = tmp_path / "orders.txt"
    path.write_text(f"{HEADING}\n1{CELLS.replace('Новый', 'Отменён')}\n")
    ended = await run("bulk", "create", str(path), "--mapping", mapping, "--dry-run")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "1 left out, 0 warnings")


async def _in_terminal(*arguments: str, typed: str, changing: Path | None = None) -> tuple[int, str]:
    """Run a command whose standard input is a terminal; ``changing`` is written to before the line is typed."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *arguments), stdin=theirs, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    os.close(theirs)
    try:
        assert process.stderr is not None
        said = b""
        async with asyncio.timeout(60):
            while b"Send 3 couriers?" not in said and (line := await process.stderr.readline()):
                said += line
            if changing is not None:
                changing.write_text(changing.read_text() + "\n7" + CELLS)
            os.write(ours, f"{typed}\n".encode())
            said += await process.stderr.read()
            return await process.wait(), said.decode()
    finally:
        os.close(ours)


@pytest.mark.processes
@pytest.mark.parametrize(("typed", "orders"), [("да", {"1": 1, "2": 1, "6": 1}), ("no", {})])
async def test_in_a_terminal_it_asks_once(
    sandbox: Sandbox, export: str, mapping: str, file: str, typed: str, orders: dict[str, int]
) -> None:
    code, said = await _in_terminal("bulk", "create", export, "--mapping", mapping, "--journal", file, typed=typed)
    assert said.count("Send 3 couriers? [yes/no]") == 1
    assert made(sandbox) == orders
    assert code == (1 if orders else 2)
    assert ("Nothing was sent." in said) == (not orders)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("content", "ended", "said"),
    [
        (f"{HEADING}\n1{CELLS.replace('Новый', 'Отменён')}\n", 2, ""),
        (None, 2, "orders.txt cannot be read: No such file or directory"),
    ],
    ids=["no order", "no file"],
)
async def test_in_a_terminal_nothing_is_asked_about_nothing(
    sandbox: Sandbox, export: str, mapping: str, file: str, content: str | None, ended: int, said: str
) -> None:
    if content is None:
        Path(export).unlink()
    else:
        Path(export).write_text(content)
    code, err = await _in_terminal("bulk", "create", export, "--mapping", mapping, "--journal", file, typed="yes")
    assert (code, made(sandbox)) == (ended, {})
    assert said in err
    assert "Send" not in err


@pytest.mark.processes
async def test_a_file_that_changed_since_it_was_shown_is_not_sent(
    sandbox: Sandbox, export: str, mapping: str, file: str
) -> None:
    code, said = await _in_terminal(
        *("bulk", "create", export, "--mapping", mapping, "--journal", file), typed="yes", changing=Path(export)
    )
    assert (code, made(sandbox)) == (2, {})
    assert "orders.txt has changed since it was checked; nothing was sent: run the command again" in said


async def test_without_a_terminal_nothing_is_asked(
    run: Run, sandbox: Sandbox, export: str, mapping: str, file: str
) -> None:
    ended = await run("bulk", "create", export, "--mapping", mapping, "--journal", file)
    assert ended.code == 1
    assert made(sandbox) == {"1": 1, "2": 1, "6": 1}


async def test_a_mapping_is_proposed_with_the_first_rows(run: Run, export: str, tmp_path: Path) -> None:
    target = tmp_path / "new.toml"
    ended = await run("bulk", "map", export, "--output", str(target))
    assert (ended.code, target.read_text().splitlines()[0]) == (0, 'preset = "opencart"')
    assert "# 1 | +7 701 000 0001 | Дана | Абая 1 | 0,8 | 18 000 | Новый" in ended.out
    assert "# orders.txt, line 2: 1 | Дана | +7 701 000 0001 | Абая 1 | Товары по заказу | 800 g | 18000 ₸" in ended.out
    assert "# orders.txt, line 6: column 'total'" in ended.out
    assert "# to be filled in: pickup.address, pickup.contact.name, pickup.contact.phone" in ended.out
    again = await run("bulk", "map", export, "--output", str(target))
    assert (again.code, "new.toml cannot be written: File exists" in again.err) == (2, True)


async def test_a_proposal_goes_to_standard_output_and_keeps_the_encoding(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_bytes(f"{HEADING.replace('order_id', 'Номер заказа')}\n1{CELLS}\n".encode("kz1048"))
    ended = await run("bulk", "map", str(path), "--encoding", "kz1048")
    assert tomllib.loads(ended.out)["file"] == {"encoding": "kz1048"}


async def test_a_file_that_holds_everything_needs_nothing_filled_in(run: Run, tmp_path: Path) -> None:
    ended = await run("bulk", "map", str(write_orders(tmp_path / "orders.csv", 1)))
    assert "orders.csv, line 2: " in ended.out
    assert "to be filled in" not in ended.out


async def test_what_a_proposal_cannot_read_is_said(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text("externalOrderId;dropoff.address;dropoff.contact.name;Имя;Имя\n1;2;3;4;5\n")
    ended = await run("bulk", "map", str(path))
    assert "# to be filled in: pickup.address" in ended.out
    path.write_text("externalOrderId;dropoff.contact.phone;dropoff.contact.phone;dropoff.address\n1;2;3;4\n")
    ended = await run("bulk", "map", str(path))
    assert "# o.csv, line 1: the heading has 'dropoff.contact.phone' more than once" in ended.out
    path.write_text("один;два\n1;2\n")
    ended = await run("bulk", "map", str(path))
    assert (ended.code, "says too little of orders" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("language", "summary"),
    [
        ("ru", "годных: 3, с ошибками: 1; ничего не отправлено"),
        ("kk", "жарамды: 3, қатесі бар: 1; ештеңе жіберілген жоқ"),
    ],
)
async def test_a_summary_is_in_the_language_of_the_environment(
    run: Run, export: str, mapping: str, monkeypatch: pytest.MonkeyPatch, language: str, summary: str
) -> None:
    monkeypatch.setenv("LANGUAGE", language)
    ended = await run("bulk", "create", export, "--mapping", mapping, "--dry-run")
    assert summary in ended.out
    ended = await run("bulk", "create", export, "--mapping", mapping, "--dry-run", "--json")
    assert summary not in ended.out
