"""The examples, from other distributions: their wheels are installed, found, checked, tested and run beside wind."""

import shutil
from pathlib import Path

import pytest
import pytest_asyncio

from talaria.sandbox.certificates import MutualTls
from talaria.sandbox.partner import simulator_of
from talaria.testing.simulator import Script, running
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


PERSONS = {
    "comet": """
[partner]
options = { key_id = "talaria" }
secrets = { signing_secret = { file = "secret" } }
[[persons]]
identity = "+447700900001"
user_id = "1001"
[[persons]]
identity = "+447700900002"
[[persons]]
identity = "+447700900101"
expect = "refused"
[[persons]]
identity = "+447700900102"
expect = "unknown"
""",
    "lynx": """
[partner]
tls = { ca_file = "lynx-service.pem", cert_file = "lynx-ours.pem", key_file = "lynx-ours.key" }
options = { token_url = "TOKEN_URL", client_id = "talaria" }
secrets = { client_secret = { file = "secret" } }
[[persons]]
identity = "anna@people.example"
[[persons]]
identity = "blocked@people.example"
expect = "refused"
[[persons]]
identity = "no-account@people.example"
expect = "unknown"
""",
}


@pytest.mark.parametrize("name", PARTNERS)
async def test_it_is_tried_against_a_real_api(
    site: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(site))
    kind = simulator_of(name)
    service = kind(**dict.fromkeys(kind.secret_names, "a-secret"))
    (tmp_path / "secret").write_text("a-secret")
    if kind.mutual_tls:
        service.tls = MutualTls(tmp_path, name)
    async with running(service):
        file = tmp_path / "persons.toml"
        file.write_text(PERSONS[name].replace("TOKEN_URL", str(service.options.get("token_url"))))
        asked = ("talaria", "partner", "test", name, "--url", service.url, "--persons", str(file), "--rate", "50/s")
        code, text = await run(site, *asked)
        assert code == 0, text
        assert text.startswith(f"{name} (talaria-partner-{name} 1.0.0) at {service.url}: ")
        assert text.endswith("All is as the contract says.\n")
        service.without_account.update(service.users)
        service.faults = Script(next_failures=1)  # mended by another attempt
        code, text = await run(site, *asked)
        assert (code, "DIFFERS  person 1" in text, "it is: no such user" in text) == (1, True, True), text
        (tmp_path / "secret").write_text("another-secret")
        code, text = await run(site, *asked)
        assert (code, "partner-bad-answer: " in text) == (1, True), text


async def test_a_partner_that_is_not_there_is_wrong_usage(site: Path) -> None:
    code, text = await run(site, "pytest", "-q", "-p", "no:cacheprovider", "--talaria-partner", "commet")
    assert (code, text.splitlines()[0]) == (
        4,
        "ERROR: --talaria-partner commet: no adapter 'commet'; there are: comet, lynx, wind",
    )


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
