"""talaria-services when it fails, in every way; and failures of our own."""

import asyncio
import logging
from typing import Any

import pytest
from pytest_mock import MockerFixture

from talaria.adapters.auth.service_tokens import ServiceTokenSigner
from tests.integration.gateway.support_client import chunked, request
from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in
from tests.integration.gateway.support_problem import refused
from tests.integration.gateway.support_raw import Head, Line
from tests.integration.gateway.support_services import Fault, Upstream, answer, close, hang, reset


def last(data: bytes) -> Fault:
    """These bytes, and the end."""

    async def send(head: Head, line: Line) -> None:
        await line.send(data)
        raise EOFError

    return send


@pytest.mark.parametrize("fault", [reset, close, last(b"HTTP/1.1 20"), last(b"HTTP/1.1 200 OK\r\nx-a: 1\r\n")])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_broken_connections(gateway: Gateway, town: Town, fault: Fault, method: str) -> None:
    town.upstream.fault = fault
    await refused(gateway, await gateway.ask(method=method), "upstream-unreachable")
    assert town.upstream.calls == (2 if method == "GET" else 1)


async def test_nothing_listens(gateway: Gateway, town: Town) -> None:
    await town.upstream.server.stop()
    await refused(gateway, await gateway.ask(method="POST", body=b"x"), "upstream-unreachable")


async def test_a_kept_connection_that_was_closed_costs_no_answer(gateway: Gateway, town: Town) -> None:
    for _ in range(3):
        assert (await gateway.ask()).status == 200
        await town.upstream.server.stop()
        await town.upstream.server.start()


async def test_silence(town: Town) -> None:
    town.upstream.fault = hang
    async with gateway_in(town, {"routes": {"wind": {"timeout": "200ms"}}}) as gateway:
        line = await refused(gateway, await gateway.ask(), "upstream-timeout")
        assert 150 < line["total_ms"] < 2_000
        await town.upstream.server.until(lambda: town.upstream.server.open == 0)


async def test_silence_inside_an_answer(town: Town) -> None:
    async def stall(head: Head, line: Line) -> None:
        await line.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"part"))
        await hang(head, line)

    town.upstream.fault = stall
    async with gateway_in(town, {"routes": {"wind": {"idle_timeout": "200ms"}}}) as gateway:
        async with gateway.connected() as client:
            client.send(request(town.token(), "/", "x-request-id: stalled"))
            assert (await client.head()).status == 200
            assert not (await client.at_end()).endswith(chunked(b""))
        line = await gateway.line(lambda line: line["request_id"] == "stalled")
        assert (line["reason"], line["origin"]) == ("upstream-timeout", "upstream")


@pytest.mark.parametrize("length", ["content-length: 50000", "transfer-encoding: chunked"])
async def test_a_client_that_stops_in_its_upload(town: Town, length: str) -> None:
    async with gateway_in(town, {"routes": {"wind": {"idle_timeout": "200ms"}}}) as gateway:
        begun = request(town.token(), "/", length, method="POST") + chunked(b"x" * 20_000)
        for said in await asyncio.gather(*(until_cut(gateway, begun) for _ in range(8))):
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nconnection: close\r\n" in said
            assert b'"upload-timeout"' in said
        line = await gateway.line(lambda line: line["method"] == "POST")
        assert (line["status"], line["reason"], line["origin"]) == (408, "upload-timeout", "client")
        await town.upstream.server.until(lambda: town.upstream.server.open == 0)
        assert (await gateway.ask()).status == 200


async def until_cut(gateway: Gateway, data: bytes) -> bytes:
    """What the gateway says to these bytes before it closes."""
    async with gateway.connected() as client:
        client.send(data)
        return await client.at_end()


async def test_slow_uploads_are_not_the_upstreams_failure(town: Town) -> None:
    async with gateway_in(town, {"routes": {"wind": {"timeout": "200ms", "upload_timeout": "400ms"}}}) as gateway:
        begun = request(town.token(), "/", "content-length: 50000", method="POST") + b"x" * 20_000
        cut = await asyncio.gather(*(until_cut(gateway, begun) for _ in range(8)))
        assert all(b'"upload-timeout"' in said for said in cut)
        assert (await gateway.ask()).status == 200


@pytest.mark.parametrize("length", ["content-length: 11", "transfer-encoding: chunked"])
async def test_a_steady_upload_may_take_longer_than_the_timeout_of_its_route(town: Town, length: str) -> None:
    async with (
        gateway_in(town, {"routes": {"wind": {"timeout": "200ms", "idle_timeout": "2s"}}}) as gateway,
        gateway.connected() as client,
    ):
        client.send(request(town.token(), "/", length, method="POST"))
        for _ in range(11):
            client.send(b"x" if "content" in length else chunked(b"x"))
            await asyncio.sleep(0.05)
        if "chunked" in length:
            client.send(chunked(b""))
        assert (await client.get()).status == 200
        assert town.upstream.seen[-1].body == b"x" * 11


async def test_an_upstream_that_does_not_answer_an_upload_is_late_after_its_last_byte(town: Town) -> None:
    town.upstream.fault = hang
    async with gateway_in(town, {"routes": {"wind": {"timeout": "200ms"}}}) as gateway:
        await refused(gateway, await gateway.ask(method="POST", body=b"x" * 100_000), "upstream-timeout")


@pytest.mark.parametrize("known", [False, True])
async def test_no_time_at_all_is_over_at_once_and_no_dependencys_failure(
    gateway: Gateway, town: Town, known: bool
) -> None:
    token = town.token()
    if known:
        assert (await gateway.ask(token=token)).status == 200
    calls = town.personal.calls, town.wind.calls, town.upstream.calls
    for _ in range(6):
        await refused(gateway, await gateway.ask("/", "x-request-timeout-ms: 0", token=token), "deadline-exceeded")
    assert (town.personal.calls, town.wind.calls, town.upstream.calls) == calls
    assert (await gateway.ask(token=token)).status == 200


@pytest.mark.parametrize("body", [b"", b"x" * 100_000])
async def test_an_upstream_that_is_slower_than_its_client_wants_stays_in_use(
    gateway: Gateway, town: Town, body: bytes
) -> None:
    town.upstream.fault = hang
    more = {"method": "POST", "body": body} if body else {}
    for _ in range(8):
        await refused(gateway, await gateway.ask("/", "x-request-timeout-ms: 40", **more), "deadline-exceeded")
    town.upstream.fault = None
    assert (await gateway.ask()).status == 200


OK = b"HTTP/1.1 200 OK\r\n"
NONSENSE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18,
    "another version": b"HTTP/3.0 200 OK\r\n\r\n",
    "no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a long number": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a small number": b"HTTP/1.1 099 OK\r\n\r\n",
    "a switch": b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "a negative length": OK + b"content-length: -2\r\n\r\nabc",
    "both framings": OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a folded line": OK + b"x-a: b\r\n c\r\n\r\n",
    "a bare LF": OK + b"x-a: b\nx-c: d\r\n\r\n",
    "a NUL": OK + b"x-a: b\x00c\r\n\r\n",
    "no colon": OK + b"nonsense\r\n\r\n",
    "a large head": OK + b"x-a: " + b"b" * 300_000 + b"\r\n\r\n",
    "many interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + OK + b"content-length: 0\r\n\r\n",
    "a broken first chunk": OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE.keys())
async def test_nonsense(gateway: Gateway, town: Town, data: bytes) -> None:
    async def nonsense(head: Head, line: Line) -> None:
        await line.send(data)
        await line.gone()
        raise EOFError

    town.upstream.fault = nonsense
    await refused(gateway, await gateway.ask(), "upstream-bad-answer")
    assert town.upstream.calls == 1


async def test_a_circuit_opens(gateway: Gateway, town: Town) -> None:
    town.upstream.fault = close
    for _ in range(5):
        await refused(gateway, await gateway.ask(method="POST"), "upstream-unreachable")
    got = await gateway.ask()
    line = await refused(gateway, got, "circuit-open")
    assert (line["origin"], town.upstream.calls) == ("upstream", 5)
    assert 1 <= int(got.head.one("retry-after")) <= 60


async def test_several_urls_share_the_work_and_stand_in_for_each_other(town: Town) -> None:
    other = Upstream()
    async with other.server.listening():
        urls = {"upstreams": {"talaria-services": {"urls": [town.upstream.url, other.url]}}}
        async with gateway_in(town, urls) as gateway:
            for _ in range(6):
                assert (await gateway.ask()).status == 200
            assert (town.upstream.calls, other.calls) == (3, 3)
            await the_idle_one_is_asked(gateway, town.upstream, other)
            await town.upstream.server.stop()
            for _ in range(8):
                assert (await gateway.ask(method="POST")).status == 200


async def the_idle_one_is_asked(gateway: Gateway, busy: Upstream, idle: Upstream) -> None:
    """Four requests are held, two at each; then one of the two gets on with its work."""
    busy.gate.clear()
    idle.gate.clear()
    held = [asyncio.ensure_future(gateway.ask()) for _ in range(4)]
    await busy.server.until(lambda: busy.calls == 5)
    await idle.server.until(lambda: idle.calls == 5)
    idle.gate.set()
    answered = asyncio.as_completed(held)
    assert [(await next(answered)).status for _ in range(2)] == [200] * 2
    for _ in range(4):
        assert (await gateway.ask()).status == 200
    assert (busy.calls, idle.calls) == (5, 9)
    busy.gate.set()
    assert [got.status for got in await asyncio.gather(*held)] == [200] * 4


async def test_our_own_limit(town: Town) -> None:
    town.upstream.gate.clear()
    async with gateway_in(town, {"server": {"max_in_flight": 2}}) as gateway:
        held = [asyncio.ensure_future(gateway.ask())]
        await town.upstream.server.until(lambda: town.upstream.calls == 1)
        token = town.token()
        held.append(asyncio.ensure_future(gateway.ask(token=token)))
        got = await held[1] if held[1].done() else None
        over = await gateway.ask() if got is None else got
        await refused(gateway, over, "overloaded")
        assert int(over.head.one("retry-after")) >= 1
        town.upstream.gate.set()
        assert (await held[0]).status == 200
        await asyncio.gather(*held)
        assert (await gateway.ask()).status == 200


async def test_a_fault_of_our_own(town: Town, caplog: pytest.LogCaptureFixture, mocker: MockerFixture) -> None:
    mocker.patch.object(ServiceTokenSigner, "token_for", side_effect=ValueError("canary-in-an-exception"))
    async with gateway_in(town) as gateway:
        got = await gateway.ask("/", "x-request-id: ours")
        await refused(gateway, got, "internal-error")
        assert "canary" not in repr(got)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(record)["request_id"] == "ours"
    assert record.exc_info


async def test_early_refusals_close_where_the_body_was_not_read(gateway: Gateway, town: Town) -> None:
    big: dict[str, Any] = {"method": "POST", "body": b"x" * 500_000}
    got = await gateway.ask(token="bad", **big)
    assert (got.status, got.head.one("connection")) == (401, "close")
    town.upstream.fault = answer(503, b"busy")
    assert (await gateway.ask(**big)).status == 503
