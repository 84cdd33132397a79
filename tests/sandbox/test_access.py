"""Who may ask the sandbox: programs of this machine, and no web page of another site."""

import asyncio
from collections.abc import Mapping

import pytest

from kaspi_delivery_async.sandbox import Sandbox
from kaspi_delivery_async.sandbox.http.access import Source, check_source
from kaspi_delivery_async.sandbox.http.messages import HttpError
from tests.support.described_api import Caller


def port_of(sandbox: Sandbox) -> str:
    return sandbox.root_url.rpartition(":")[2]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example", "",
     "user@localhost", "localhost:port", "203.0.113.7", "[::1", "localhost/"],
)  # fmt: skip
async def test_a_host_that_is_not_ours_is_refused_on_every_route_and_leaves_no_trace(host: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        headers = {"Host": host.format(port=port_of(sandbox))}
        replies = [
            await call("GET", f"/v1/deliveries/{delivery_id}", headers=headers, check=False),
            await call.control("GET", "/deliveries", headers=headers),
            await call.control("GET", "/requests", headers=headers),
            await call.control("POST", "/reset", headers=headers),
        ]
        assert {reply.status for reply in replies} <= {400, 421}
        assert b"Aigerim" not in b"".join(reply.body for reply in replies)
        assert (sandbox.requests.total, len(sandbox.deliveries)) == (1, 1)


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost", "[::1]:{port}", "127.8.8.8"])
async def test_loopback_names_are_ours(host: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        headers = {"Host": host.format(port=port_of(sandbox))}
        assert (await call.control("GET", "/time", headers=headers)).status == 200


async def test_any_number_of_loopback_names_is_ours() -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        for number in range(1, 103):
            assert (await call.control("GET", "/time", headers={"Host": f"127.0.1.{number}"})).status == 200


async def test_a_client_that_goes_while_it_sends_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        _, writer = await asyncio.open_connection("127.0.0.1", int(port_of(sandbox)))
        writer.write(b"POST /delivery/v1/deliveries HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
        await writer.drain()
        await call.control("GET", "/time")
        writer.transport.abort()
        await call.control("GET", "/time")
        assert sandbox.requests.total == 0
    assert caplog.records == []


async def test_a_name_that_was_configured_is_ours() -> None:
    async with Sandbox(allowed_hosts=["Sandbox.test"]) as sandbox, Caller(sandbox) as call:
        assert (await call.control("GET", "/time", headers={"Host": "sandbox.test:80"})).status == 200


ELSEWHERE: list[Mapping[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://127.0.0.1:9"},
    {"Origin": "http://localhost"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
async def test_pages_of_other_sites_change_nothing(headers: Mapping[str, str]) -> None:
    async with Sandbox(faults=["get:503:count=1"]) as sandbox, Caller(sandbox) as call:
        delivery_id = await call.create()
        sent = {name: value.format(port=port_of(sandbox)) for name, value in headers.items()}
        for path in ("/reset", f"/deliveries/{delivery_id}/cancel"):
            for body in ({}, {"data": b"", "headers": {**sent, "Content-Type": "text/plain"}}):
                assert (await call.control("POST", path, **{"headers": sent, **body})).status == 403
        assert (await call("GET", f"/v1/deliveries/{delivery_id}", headers=sent, check=False)).status == 403
        assert sandbox.deliveries[delivery_id].status == "created"
        assert (len(sandbox.faults), sandbox.requests.total) == (1, 1)


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://[::1]:{port}"])
async def test_its_own_pages_may_use_it(origin: str) -> None:
    async with Sandbox() as sandbox, Caller(sandbox) as call:
        headers = {"Origin": origin.format(port=port_of(sandbox)), "Sec-Fetch-Site": "same-origin"}
        assert (await call.control("POST", "/reset", headers=headers)).status == 200


def test_the_address_that_a_connection_was_made_to_is_ours() -> None:
    source = Source(hosts=["192.0.2.5:8420"], origins=[], fetch_sites=[], address="::ffff:192.0.2.5", port=8420)
    check_source(source, names=())
    with pytest.raises(HttpError, match="Host"):
        check_source(Source(hosts=["192.0.2.5"] * 2, origins=[], fetch_sites=[], address="192.0.2.5", port=1), names=())
