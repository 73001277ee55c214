"""A new partner passes everything as it was written: outside of the tree as a wheel, inside of it as modules."""

import asyncio
import shutil
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


async def test_in_the_repository_it_passes_what_every_module_passes(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "real", "soak")
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    shutil.copy2(ROOT / "pyproject.toml", copy)
    cache = ROOT / ".mypy_cache"
    if cache.is_dir():  # as `make check` leaves it: what has not changed is not looked at again
        shutil.copytree(cache, copy / cache.name)
    code, text = await run(copy / "src", "talaria", "partner", "new", "bolt", "--in-repo", cwd=copy)
    assert code == 0, text
    new = [path for path in texts("bolt", in_repo=True) if path.endswith(".py")]
    tests = [path for path in new if path.startswith("tests/")]
    for program in (
        ("ruff", "check", "--no-cache", *new),
        ("mypy", *new),
        ("pytest", "-q", "-p", "no:cacheprovider", *tests),
    ):
        code, text = await run(copy / "src", *program, cwd=copy)
        assert code == 0, text


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
