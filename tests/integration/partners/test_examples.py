"""The examples, from other distributions: their wheels are installed, found, checked, tested and run beside wind."""

import shutil
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.partners.support_install import ROOT, install, run

PARTNERS = ("comet", "lynx")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels, and beside it their tests."""
    folder = tmp_path_factory.mktemp("examples")
    for name in PARTNERS:
        source = folder / name
        shutil.copytree(ROOT / "examples" / name, source, ignore=shutil.ignore_patterns("__pycache__"))
        await install(source, folder / "site")
    return folder / "site"


@pytest.mark.parametrize("name", PARTNERS)
async def test_the_conformance_suite_is_found_by_the_name(site: Path, name: str) -> None:
    code, text = await run(site, "pytest", "-q", "-p", "no:cacheprovider", "--talaria-partner", name)
    assert code == 0, text
    assert "passed" in text


@pytest.mark.parametrize("name", PARTNERS)
async def test_its_own_tests_pass(site: Path, name: str) -> None:
    code, text = await run(site, "pytest", "-q", "-p", "no:cacheprovider", str(site.parent / name / f"test_{name}.py"))
    assert code == 0, text


async def test_they_run_beside_wind_and_are_checked(site: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    sandbox = ("talaria", "sandbox", "--once", "--port", "0", "--with", "comet", "--with", "lynx", "--keep", str(kept))
    code, text = await run(site, *sandbox)
    assert code == 0, text
    for name in PARTNERS:
        assert f"gateway -> {name}" in text
    code, text = await run(site, "talaria", "check", "--config", str(kept / "talaria.toml"))
    assert code == 0, text
    for name in PARTNERS:
        assert f"talaria-partner-{name} 1.0.0" in text
