"""Node's `fetch` and `http` as clients, with Node as the upstream."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.real.support_gateway_process import GatewayProcess
from tests.real.support_programs import program
from tests.real.support_running import output_of
from tests.real.support_upstream_programs import LARGE, PROGRAMS, WORDS, gateway_before

pytestmark = pytest.mark.asyncio(loop_scope="module")
each_library = pytest.mark.parametrize("library", ["fetch", "http"])
UPLOADED = {"size": len(LARGE), "sha256": hashlib.sha256(LARGE).hexdigest()}
SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GatewayProcess]:
    async with gateway_before("node", tmp_path_factory.mktemp("node")) as running:
        yield running


async def saw(gateway: GatewayProcess, library: str, task: str) -> Any:
    """What the client says of this task."""
    headers = json.dumps(gateway.sandbox.headers())
    arguments = [str(PROGRAMS / "client.mjs"), library, task, gateway.url, headers]
    return json.loads(await output_of(program("node"), *arguments, folder=PROGRAMS))


@each_library
async def test_answers_without_a_body_keep_the_connection(gateway: GatewayProcess, library: str) -> None:
    answers = await saw(gateway, library, "kept")
    assert [(answer["status"], answer["size"]) for answer in answers] == [(204, 0)] * 5


@each_library
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_answer_comes_whole(gateway: GatewayProcess, library: str, framing: str) -> None:
    answer = await saw(gateway, library, f"get:/{framing}")
    assert (answer["status"], answer["size"], answer["sha256"]) == (200, *UPLOADED.values())


@each_library
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_large_body_arrives_whole(gateway: GatewayProcess, library: str, framing: str) -> None:
    answer = await saw(gateway, library, framing)
    assert (answer["status"], json.loads(answer["text"])) == (200, UPLOADED)


async def test_a_body_that_waits_for_a_100_arrives(gateway: GatewayProcess) -> None:
    """With http alone: fetch refuses to send Expect."""
    answer = await saw(gateway, "http", "expect")
    assert (answer["status"], json.loads(answer["text"])) == (200, UPLOADED)


@each_library
async def test_a_refusal_before_the_body_was_read_is_heard(gateway: GatewayProcess, library: str) -> None:
    answer = await saw(gateway, library, "refused")
    assert (answer["status"], json.loads(answer["text"])["reason"]) == (401, "invalid-token")


@each_library
async def test_events_come(gateway: GatewayProcess, library: str) -> None:
    answer = await saw(gateway, library, "get:/events/3")
    assert answer["text"] == "data: 1\n\ndata: 2\n\ndata: 3\n\n"


@each_library
async def test_a_304_ends_at_its_head(gateway: GatewayProcess, library: str) -> None:
    answer = await saw(gateway, library, "get:/status/304")
    assert (answer["status"], answer["size"]) == (304, 0)


@each_library
async def test_a_content_coding_is_passed_on(gateway: GatewayProcess, library: str) -> None:
    answer = await saw(gateway, library, "get:/gzip")
    if library == "fetch":  # which decodes it
        assert answer["size"] == len(WORDS)
    else:
        assert 0 < answer["size"] < len(WORDS)


@each_library
async def test_a_client_that_leaves_is_noticed(gateway: GatewayProcess, library: str) -> None:
    before = gateway.served.log.read_text().count('"status":499')
    assert (await saw(gateway, library, "leave"))["text"] == "data: 1\n\n"
    async with asyncio.timeout(SECONDS):
        while gateway.served.log.read_text().count('"status":499') == before:
            await asyncio.sleep(0.05)  # a file tells nothing when it grows
