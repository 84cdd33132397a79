"""Bad input: one paragraph on stderr that names the place and the remedy, exit code 2, and nothing sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kaspi_delivery_async.cli.deliveries.order_input import LARGEST_ORDER
from kaspi_delivery_async.sandbox import Sandbox
from tests.support.cli_runner import ORDER, Ended, Run


def _without(*path: str) -> bytes:
    order: dict[str, Any] = orjson.loads(orjson.dumps(ORDER))
    place = order
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return orjson.dumps(order)


def _required_fields() -> Iterator[tuple[str, ...]]:
    yield from [("externalOrderId",), ("pickup",), ("dropoff",), ("parcel",)]
    for location in ("pickup", "dropoff"):
        yield from [(location, "address"), (location, "contact", "name"), (location, "contact", "phone")]
    yield from [("parcel", name) for name in ("description", "weightGrams", "valueKzt")]


def _assert_refused(ended: Ended, sandbox: Sandbox, *named: str) -> None:
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    for words in named:
        assert words in ended.err
    assert sandbox.requests.total == 0


@pytest.mark.parametrize("path", list(_required_fields()), ids=".".join)
async def test_an_order_without_a_required_field(run: Run, sandbox: Sandbox, path: tuple[str, ...]) -> None:
    ended = await run("create", "-", stdin=_without(*path))
    _assert_refused(ended, sandbox, "standard input", f"$.{'.'.join(path)}: is missing", "create --help")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not JSON"),
        (b"{'externalOrderId': 1}", "not JSON"),
        (b"[]", "expected an object, got an array"),
        (orjson.dumps(ORDER | {"parcel": "shoes"}), "$.parcel: expected an object, got a string"),
        (orjson.dumps(ORDER | {"externalOrderId": 742}), "$.externalOrderId: expected a string, got a number"),
        (orjson.dumps(ORDER | {"externalOrderId": ""}), "$.externalOrderId: must not be empty"),
        (orjson.dumps(ORDER).replace(b"Shoes", b"\xd8\xe0"), "is not UTF-8 text (byte "),
        (b" " * (LARGEST_ORDER + 1), "is larger than 1048576 bytes"),
    ],
    ids=["empty", "no JSON", "array", "parcel", "number", "empty id", "encoding", "size"],
)
async def test_an_order_that_is_none(run: Run, sandbox: Sandbox, content: bytes, named: str) -> None:
    _assert_refused(await run("create", "-", stdin=content), sandbox, named)


async def test_a_byte_order_mark_does_no_harm(run: Run, sandbox: Sandbox) -> None:
    assert (await run("create", "-", stdin=b"\xef\xbb\xbf" + orjson.dumps(ORDER))).code == 0
    assert len(sandbox.deliveries) == 1


async def test_a_file_that_is_not_there(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    path = str(tmp_path / "none.json")
    _assert_refused(await run("create", path), sandbox, path, "there is no such file")


async def test_a_directory(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    _assert_refused(await run("create", str(tmp_path)), sandbox, str(tmp_path), "is a directory")


async def test_a_path_through_a_file(run: Run, sandbox: Sandbox, order_file: str) -> None:
    _assert_refused(await run("create", f"{order_file}/order.json"), sandbox, "cannot be read: Not a directory")


async def test_a_path_that_cannot_be(run: Run, sandbox: Sandbox) -> None:
    _assert_refused(await run("create", "a\0b"), sandbox, "cannot be read: the path contains a forbidden character")


@pytest.mark.parametrize("key", ["", "two words", "заказ", "a\r\nb", "k" * 129])
@pytest.mark.parametrize("command", ["create", "cancel"])
async def test_a_key_that_no_header_can_carry(
    run: Run, sandbox: Sandbox, order_file: str, command: str, key: str
) -> None:
    target = order_file if command == "create" else "dlv_1"
    _assert_refused(await run(command, target, "--idempotency-key", key), sandbox, "idempotency_key", "128", "leave it")


@pytest.mark.parametrize("command", ["get", "cancel", "watch"])
@pytest.mark.parametrize("delivery_id", ["", ".", "..", "a/b", "a b", "a?b", "доставка", "a\r\nb"])
async def test_a_delivery_id_that_names_another_resource(
    run: Run, sandbox: Sandbox, command: str, delivery_id: str
) -> None:
    _assert_refused(await run(command, delivery_id), sandbox, "delivery_id", "exactly as the API returned it")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
async def test_a_time_to_wait_that_is_none(run: Run, sandbox: Sandbox, seconds: str) -> None:
    _assert_refused(await run("watch", "dlv_1", f"--timeout={seconds}"), sandbox, "timeout", "positive")


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("KASPI_API_KEY", "", "KASPI_API_KEY is not set"),
        ("KASPI_API_KEY", "key\r\nx: y", "visible ASCII"),
        ("KASPI_ENVIRONMENT", "staging", "'sandbox' or 'production'"),
        ("KASPI_BASE_URL", "http://example.com", "plain http"),
    ],
)
async def test_a_setting_that_makes_no_sense(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str
) -> None:
    if name == "KASPI_ENVIRONMENT":
        monkeypatch.delenv("KASPI_BASE_URL")  # before which the environment does not matter
    monkeypatch.setenv(name, value)
    _assert_refused(await run("get", "dlv_1"), sandbox, named)
