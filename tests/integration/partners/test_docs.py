"""docs/partners/: every block of code is run, in the order of the text."""

import asyncio
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from talaria.adapters.clock import MonotonicClock
from talaria.adapters.partner_kit import PartnerContext, PartnerHttp, Sensitive, options_of
from talaria.testing.simulator import client_of
from tests.integration.partners.support_install import ROOT
from tests.support_plugins import ADAPTER, install
from tests.support_printed import note_printed
from tests.unit.entrypoints.config.conftest import Bench

DOCS = ROOT / "docs/partners"
BLOCK = re.compile(r"(?:<!-- (file|append): (\S+) -->\n)?```(\w+)\n(.*?)```", re.DOTALL)


def blocks(name: str) -> list[tuple[str, str, str, str]]:
    """What is done with a block ("file", "append" or ""), with which file, its language and its text."""
    return BLOCK.findall((DOCS / name).read_text("utf-8"))


def test_each_block_is_of_a_language_that_is_run() -> None:
    found = [(path.name, language) for path in DOCS.glob("*.md") for _, _, language, _ in blocks(path.name)]
    assert {language for _, language in found} <= {"sh", "python", "toml"}
    assert len(found) >= 12


async def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    folder = tmp_path / "here"
    folder.mkdir()
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as: no isolation
        "PIP_NO_INDEX": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }
    output = b""
    for what, name, language, text in blocks("tutorial.md"):
        if what:
            with (folder / name).open("a" if what == "append" else "w", encoding="utf-8") as file:
                file.write(text)
            continue
        assert language == "sh"
        shell = await asyncio.create_subprocess_exec(
            *("sh", "-ec", text),
            cwd=folder,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await shell.communicate()
        note_printed(output.decode())
        assert shell.returncode == 0, f"{text}\n{output.decode()}"
    assert "talaria-partner-comet 0.1.0" in output.decode()


async def test_the_reference_runs_as_programs() -> None:
    for _, _, language, text in blocks("kit.md"):
        if language != "python":
            continue
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", text), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await program.communicate()
        assert program.returncode == 0, output.decode()


def test_the_references_tables_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ADAPTER.replace("    Options = Options", "    side_effect_free = True")
    for name in ("comet", "comet_v2"):
        (tmp_path / name).mkdir()
        install(tmp_path / name, monkeypatch, name, source, module=f"{name}_of_the_docs")
    texts = [text for _, _, language, text in blocks("kit.md") if language == "toml"]
    assert texts
    for text in texts:
        tables = tomllib.loads(text)["partners"]
        partners = {f"partners.{id}": {"url": "https://comet.example", **table} for id, table in tables.items()}
        assert Bench(tmp_path).load(partners).partners["comet"].trials


@pytest.mark.parametrize("at", range(len(blocks("credentials.md"))))
async def test_each_recipe_can_be_built(at: int) -> None:
    _, _, language, text = blocks("credentials.md")[at]
    assert language == "python"
    module: dict[str, Any] = {"__name__": f"recipe_{at}"}
    exec(compile(text, "credentials.md", "exec"), module)  # noqa: S102 - our own document
    values: dict[str, object] = {"key_id": "talaria", "client_id": "talaria", "token_url": "http://127.0.0.1:1"}
    values |= {name: Sensitive("secret") for name in ("signing_secret", "client_secret")}
    async with client_of("http://127.0.0.1:1") as http:

        def client(url: str) -> PartnerHttp:
            return http

        for kind in [one for name, one in module.items() if name.startswith("With")]:
            shape = getattr(kind, "Options", None)
            options = options_of(shape, values) if shape else None
            assert kind(PartnerContext("comet", options, Sensitive("key"), http, client, MonotonicClock())).sign
