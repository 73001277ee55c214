"""One person can be followed through the lines, and the lines do not tell which person it is."""

import json
from pathlib import Path
from typing import Any

import httpx

from talaria.sandbox import fixtures
from talaria.sandbox.faults import Faults
from talaria.sandbox.stack import running_sandbox

WAY = "/v1/scooters/nearby"


async def lines_of(tmp_path: Path, config: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The access lines of anna, boris, anna again, anna while the upstream fails, no person; and the failure log."""
    with (tmp_path / "lines").open("wb") as lines:
        async with (
            running_sandbox(access_descriptor=lines.fileno(), config=config) as sandbox,
            httpx.AsyncClient(trust_env=False, base_url=sandbox.public_url) as client,
        ):
            for person in (fixtures.ANNA, fixtures.BORIS, fixtures.ANNA):
                assert (await client.get(WAY, headers=sandbox.headers(person))).status_code == 200
            sandbox.talaria_services.faults = Faults(next_failures=1, status=500)
            await client.get(WAY, headers=sandbox.headers(fixtures.ANNA))
            await client.get(WAY, headers={"x-api-tag": "wind"})
            ledger = (await client.get(f"{sandbox.ops_url}/5xx")).text
    text = (tmp_path / "lines").read_text()
    assert "ppid-" not in text + ledger
    told = [json.loads(line) for line in text.splitlines()]
    return [line for line in told if line["tag"]], ledger


async def test_one_person_has_one_name_in_lines_and_ledger(tmp_path: Path) -> None:
    lines, ledger = await lines_of(tmp_path, {})
    anna, boris, again, failed, personless = lines
    assert anna["person"] == again["person"] == failed["person"] != boris["person"]
    assert len(anna["person"]) == 12
    assert "person" not in personless
    assert json.loads(ledger)["entries"][0]["person"] == anna["person"]


async def test_another_start_gives_other_names_unless_the_key_is_given(tmp_path: Path) -> None:
    (tmp_path / "person.key").write_text("canary-person-key-0123456789abcdef")
    given = {"logging": {"person_key": {"file": str(tmp_path / "person.key")}}}
    names = [(await lines_of(tmp_path, config))[0][0]["person"] for config in ({}, {}, given, given)]
    assert len({names[0], names[1], names[2]}) == 3
    assert names[2] == names[3]
