"""`talaria doctor`: what it says of what was found."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from talaria.entrypoints.cli import doctor
from talaria.entrypoints.cli.main import cli
from talaria.entrypoints.cli.probes import Finding, Server
from talaria.entrypoints.config import load
from tests.unit.entrypoints.cli.support_listener import Listener

VARIABLES = {"PERSONAL_TOKEN": "canary-1", "WIND_API_KEY": "canary-2", "TALARIA_SERVICES_API_KEY": "canary-3"}
Run = Callable[..., Result]


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    listener = Listener(monkeypatch)
    listener.error = httpx.ConnectError("refused")
    return listener


@pytest.fixture
def run(tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, where every server is well but the one that is asked to be ill."""
    CliRunner().invoke(cli, ["init", str(tmp_path)])

    def run(*arguments: str, ill: str = "", **variables: str) -> Result:
        def probe(server: Server) -> list[Finding]:
            well = server.owner != ill
            return [Finding(f"{server.owner}: {server.url}", well, server.owner, "Look whether it runs.")]

        monkeypatch.setattr(doctor, "probe", probe)
        monkeypatch.setattr(doctor, "credentials", lambda _: [])
        command = ["doctor", "--config", str(tmp_path / "talaria.toml"), *arguments]
        return CliRunner().invoke(cli, command, env={**VARIABLES, **variables})

    return run


def test_all_is_well(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout.endswith("All is well.\n")
    assert result.stderr == ""


def test_what_is_bad_has_an_owner_and_an_advice(run: Run) -> None:
    result = run(ill="the partner wind")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = lines.index("BAD  the partner wind: https://api.wind.example")
    assert lines[at + 1] == "     to be mended by: the partner wind. Look whether it runs."
    assert lines[-1] == f"1 of {len(lines) - 2} are bad."


def test_as_json(run: Run) -> None:
    told = json.loads(run("--json", ill="personal").stdout)
    assert told["well"] is False
    (bad,) = [finding for finding in told["findings"] if not finding["well"]]
    assert bad["owner"] == "personal"


def test_every_server_of_the_configuration_is_looked_at(run: Run, tmp_path: Path) -> None:
    run()
    servers = doctor.servers_of(load(tmp_path / "talaria.toml", VARIABLES))
    owners = ["personal", "the partner wind", "the upstream talaria-services", "the caller app"]
    assert [server.owner for server in servers] == owners
    assert [server.key_set for server in servers] == [False, False, False, True]


def test_limits_of_the_machine_are_looked_at(run: Run) -> None:
    result = run(TALARIA__SERVER__WORKERS="200", TALARIA__SERVER__MAX_IN_FLIGHT="1000000")
    assert "BAD  workers: 200" in result.stdout
    assert "BAD  descriptors:" in result.stdout


@pytest.mark.parametrize(
    ("configured", "named"),
    [
        ({"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": "-fprofile-use"}, True),
        ({"CONFIG_ARGS": None, "PGO_PROF_USE_FLAG": "-fprofile-use"}, True),
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'", "PGO_PROF_USE_FLAG": "-fprofile-use"}, False),
        ({"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": ""}, False),
    ],
)
def test_an_interpreter_that_could_be_faster_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, configured: dict[str, str | None], named: bool
) -> None:
    monkeypatch.setattr("sysconfig.get_config_vars", lambda: configured)
    result = run()
    assert ("without profile-guided optimization" in result.stdout) is named
    assert result.exit_code == 0, "it is slower, not bad"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"workers": 2, "answered": 2, "configuration": {"last_reload_ok": true}}', "All is well."),
        (b'{"workers": 2, "answered": 1, "configuration": null}', "BAD  the gateway runs: 1 of 2 workers answer"),
        (b'{"configuration": {"last_reload_ok": false}}', "BAD  the last reload was refused"),
    ],
)
def test_the_gateway_is_asked(run: Run, listener: Listener, body: bytes, said: str) -> None:
    listener.error, listener.body = None, body
    assert said in run("--ops", "http://10.0.0.5:9090").stdout
    assert listener.urls == ["http://10.0.0.5:9090/readyz"]


def test_a_gateway_at_an_address_of_its_own_is_to_run(run: Run) -> None:
    assert run("--ops", "http://10.0.0.5:9090").exit_code == 1
