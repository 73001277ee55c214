"""A new partner passes everything as it was written: outside of the tree as a wheel, inside of it as modules."""

import asyncio
import sys
from pathlib import Path

import pytest

from talaria.entrypoints.cli.partner import texts
from tests.integration.partners.support_install import ROOT, install, run


async def test_a_package_is_installed_found_and_passes(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    code, text = await run(site, "talaria", "partner", "new", "bolt", "--to", str(tmp_path / "bolt"))
    assert code == 0, text
    await install(tmp_path / "bolt", site)
    code, text = await run(site, "pytest", "-q", "-p", "no:cacheprovider", "--talaria-partner", "bolt")
    assert code == 0, text
    code, text = await run(site, "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "bolt"))
    assert code == 0, text
    code, text = await run(site, "talaria", "sandbox", "--once", "--port", "0", "--with", "bolt")
    assert code == 0, text
    assert "gateway -> bolt" in text


async def test_a_simulator_that_is_not_there_is_said(tmp_path: Path) -> None:
    code, text = await run(tmp_path, "talaria", "sandbox", "--once", "--port", "0", "--with", "nothing")
    assert code == 1
    assert text.startswith("there is no simulator of nothing")


@pytest.mark.parametrize("in_repo", [False, True])
async def test_the_new_modules_please_ruff(in_repo: bool) -> None:
    for path, text in texts("bolt", in_repo).items():
        name = path if in_repo else f"examples/bolt/{path}"
        # The order of imports depends on the modules being there.
        for arguments in (("check", "--ignore", "I001"), ("format", "--check")):
            ruff = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ruff", *arguments, "--no-cache", "--stdin-filename", name, "-"),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            output, _ = await ruff.communicate(text.encode())
            assert ruff.returncode == 0 or path.endswith(".toml"), output.decode()
