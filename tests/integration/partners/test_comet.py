"""comet from another distribution: its wheel is installed, found, checked, tested and run beside wind."""

import shutil
from pathlib import Path

import pytest

from tests.integration.partners.support_install import ROOT, install, run


@pytest.fixture
async def site(tmp_path: Path) -> Path:
    """A folder with comet's wheel."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "examples/comet", source, ignore=shutil.ignore_patterns("__pycache__"))
    await install(source, tmp_path / "site")
    return tmp_path / "site"


async def test_its_conformance_suite_is_found_by_its_name(site: Path) -> None:
    code, text = await run(site, "pytest", "-q", "-p", "no:cacheprovider", "--talaria-partner", "comet")
    assert code == 0, text
    assert "passed" in text


async def test_it_runs_beside_wind_and_is_checked(site: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    sandbox = ("talaria", "sandbox", "--once", "--port", "0", "--with", "comet", "--keep", str(kept))
    code, text = await run(site, *sandbox)
    assert code == 0, text
    assert "gateway -> comet" in text
    code, text = await run(site, "talaria", "check", "--config", str(kept / "talaria.toml"))
    assert code == 0, text
    assert "talaria-partner-comet 1.0.0" in text
