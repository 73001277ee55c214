"""Commands about a gateway that runs, each as a process: a person's name, what differs, and which process says what."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from talaria.sandbox import fixtures
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.integration.faults.support_processes import Served, serving
from tests.integration.support_command import talaria, told

PERSON_KEY = "canary-person-key-0123456789abcdef"


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    (tmp_path / "person.key").write_text(PERSON_KEY)
    (tmp_path / "person.key").chmod(0o600)
    config = {"logging": {"person_key": {"file": str(tmp_path / "person.key")}}}
    async with running_sandbox(gateway=False, folder=tmp_path / "box", config=config) as running:
        yield running


@pytest.fixture(params=["1", "2"])
async def served(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with serving(sandbox, tmp_path / "log", workers=request.param) as running:
        yield running


def lines(served: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.log.read_text().splitlines()]


async def one_request(sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers())).status_code == 200


async def test_a_person_is_found_in_the_lines_by_the_name_that_the_command_says(
    sandbox: Sandbox, served: Served
) -> None:
    await one_request(sandbox)
    name = (await talaria("person", "--config", str(sandbox.config_path), fixtures.ANNA)).strip()
    await served.stop()
    assert [line["person"] for line in lines(served) if line.get("tag")] == [name]
    assert fixtures.ANNA not in name


async def test_check_says_what_differs_from_what_runs(sandbox: Sandbox, served: Served) -> None:
    asked = ("check", "--running", "--config", str(sandbox.config_path), "--ops", served.ops_url)
    variables = {"TALARIA__SERVER__WORKERS": "1", "TALARIA__SERVER__OPS_LISTEN": served.ops_url.removeprefix("http://")}
    text = sandbox.config_path.read_text()
    sandbox.config_path.write_text(text.replace("[routes.wind]", '[routes.wind]\nmethods = ["GET"]', 1))
    code, printed = await told(*asked, **variables)
    assert code == 1
    assert "routes.wind.methods" in printed
    await talaria("reload", "--ops", served.ops_url)
    sandbox.config_path.write_text(text)
    code, printed = await told(*asked, "--json", **variables)
    assert (code, "routes.wind.methods" in printed) == (1, True)


async def test_each_line_tells_which_process_says_it(sandbox: Sandbox, served: Served) -> None:
    await one_request(sandbox)
    workers = max(1, len(served.children()) - 1)
    assert await served.stop() == 0
    said = lines(served)
    origins = [line.get("worker", line.get("process")) for line in said]
    assert set(origins) == {*range(workers), *(["supervisor", "operators"] if workers > 1 else [])}
    assert {line["worker"] for line in said if line["event"] == "stopped"} == set(range(workers))
