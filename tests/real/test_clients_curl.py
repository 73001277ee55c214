"""curl as a client, with Node as the upstream."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.real.support_gateway_process import GatewayProcess
from tests.real.support_programs import program
from tests.real.support_running import output_of, running
from tests.real.support_upstream_programs import LARGE, WORDS, gateway_before

pytestmark = pytest.mark.asyncio(loop_scope="module")
UPLOADED = {"size": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}
SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GatewayProcess]:
    async with gateway_before("node", tmp_path_factory.mktemp("curl")) as served:
        yield served


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of 5 MB."""
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


def arguments(gateway: GatewayProcess, **headers: str) -> list[str]:
    """curl, silent, with what a request must have."""
    lines = [argument for line in gateway.header_lines(**headers) for argument in ("--header", line)]
    return [program("curl"), "--silent", "--show-error", "--noproxy", "*", *lines]


async def asked(gateway: GatewayProcess, target: str, *more: str, folder: Path, **headers: str) -> str:
    """What curl writes on stdout."""
    return await output_of(*arguments(gateway, **headers), *more, f"{gateway.url}{target}", folder=folder)


async def test_five_requests_on_one_connection(gateway: GatewayProcess, tmp_path: Path) -> None:
    urls = [f"{gateway.url}/{path}" for path in ("connection", "status/204", "connection", "status/304", "length")]
    discarded = [argument for _ in urls for argument in ("--output", "/dev/null")]
    said = await output_of(
        *arguments(gateway), "--write-out", "%{http_code} %{num_connects}\n", *discarded, *urls, folder=tmp_path
    )
    assert said.splitlines() == ["200 1", "204 0", "200 0", "304 0", "200 0"]


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_answer_comes_whole(gateway: GatewayProcess, tmp_path: Path, framing: str) -> None:
    await asked(gateway, f"/{framing}", "--output", "came", folder=tmp_path)
    assert (tmp_path / "came").read_bytes() == LARGE


@pytest.mark.parametrize("framing", [(), ("--header", "transfer-encoding: chunked")], ids=["length", "chunked"])
async def test_a_large_body_arrives_whole(gateway: GatewayProcess, large: Path, framing: tuple[str, ...]) -> None:
    said = await asked(gateway, "/upload", "--data-binary", f"@{large}", *framing, folder=large.parent)
    assert json.loads(said) == UPLOADED


async def test_a_body_that_waits_for_a_100_arrives(gateway: GatewayProcess, large: Path) -> None:
    trace = ("--expect100-timeout", "60", "--dump-header", "heads")
    said = await asked(
        gateway, "/upload", "--data-binary", f"@{large}", *trace, folder=large.parent, expect="100-continue"
    )
    assert json.loads(said) == UPLOADED
    assert (large.parent / "heads").read_text().startswith("HTTP/1.1 100 Continue")


@pytest.mark.parametrize("expect", ["", "100-continue"])
async def test_a_refusal_before_the_body_was_read_is_heard(gateway: GatewayProcess, large: Path, expect: str) -> None:
    said = await asked(
        gateway,
        "/upload",
        *("--data-binary", f"@{large}"),
        *("--write-out", "\n%{http_code} %{size_upload}"),
        folder=large.parent,
        expect=expect,
        authorization="Bearer a.b.c",
    )
    body, status = said.rsplit("\n", 1)
    assert (json.loads(body)["reason"], status.split()[0]) == ("invalid-token", "401")
    if expect:
        assert status.split()[1] == "0"


async def test_events_come(gateway: GatewayProcess, tmp_path: Path) -> None:
    assert await asked(gateway, "/events/3", "--no-buffer", folder=tmp_path) == "data: 1\n\ndata: 2\n\ndata: 3\n\n"


async def test_a_content_coding_is_passed_on(gateway: GatewayProcess, tmp_path: Path) -> None:
    assert (await asked(gateway, "/gzip", "--compressed", folder=tmp_path)).encode() == WORDS


async def test_a_protocol_that_is_offered_and_not_taken_keeps_the_connection(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    """`--http2` offers h2c by an Upgrade on each request (RFC 9110, 7.8)."""
    urls = [f"{gateway.url}/connection"] * 3
    discarded = ["--output", "/dev/null"] * 3
    said = await output_of(
        *arguments(gateway), "--http2", "--write-out", "%{http_code} %{num_connects}\n", *discarded, *urls,
        folder=tmp_path,
    )  # fmt: skip
    assert said.splitlines() == ["200 1", "200 0", "200 0"]


async def test_a_client_that_leaves_is_noticed(gateway: GatewayProcess, tmp_path: Path) -> None:
    before = gateway.served.log.read_text().count('"status":499')
    command = [*arguments(gateway), "--no-buffer", f"{gateway.url}/events/100"]
    async with running("curl", *command, folder=tmp_path) as client, asyncio.timeout(SECONDS):
        while "data: 1" not in client.log.read_text():
            await asyncio.sleep(0.02)  # a file tells nothing when it grows
    async with asyncio.timeout(SECONDS):
        while gateway.served.log.read_text().count('"status":499') == before:
            await asyncio.sleep(0.05)  # as above
