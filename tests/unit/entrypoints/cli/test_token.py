"""`talaria token`."""

from pathlib import Path
from typing import Any

import click
import jwt
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization

from talaria.adapters.auth.key_files import load_signing_key, write_new_key
from talaria.entrypoints.cli.token import command
from talaria.sandbox.folder import CALLER_KEY, SIGNING_KEY, SandboxFolder

SECRET = "s" * 32


def configuration(folder: Path, callers: dict[str, dict[str, Any]]) -> Path:
    """A configuration with these callers, which the loader takes."""
    made = SandboxFolder(folder)
    (folder / "secret").write_text(SECRET)
    tree = {
        "callers": callers,
        "signing": {"keys": [{"kid": "k", "file": SIGNING_KEY}]},
        "personal": {"url": "http://personal.internal"},
        "partners": {"wind": {"url": "https://api.wind.example", "api_key": {"file": "secret"}}},
        "upstreams": {"services": {"urls": ["http://services.internal"]}},
        "routes": {"wind": {"partner": "wind", "upstream": "services"}},
    }
    made.write_configuration(tree, {})
    return made.config_path


def app(**more: object) -> dict[str, dict[str, Any]]:
    return {"app": {"issuer": "https://id.app.example", "jwks_url": "https://id.app.example/jwks.json", **more}}


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--config", str(config), *arguments])


def test_a_token_is_what_the_callers_issuer_would_sign(tmp_path: Path) -> None:
    result = run(configuration(tmp_path, app(phone_id_claim="person")), "--lifetime", "15m", "ppid-anna")
    assert result.exit_code == 0, result.output
    key, _ = load_signing_key((tmp_path / CALLER_KEY).read_bytes())
    claims = jwt.decode(result.output.strip(), key.public_key(), ["ES256"], audience="talaria-proxy")
    assert (claims["iss"], claims["person"]) == ("https://id.app.example", "ppid-anna")
    assert claims["exp"] - claims["iat"] == 900


def test_a_person_inside_of_a_claim(tmp_path: Path) -> None:
    token = run(configuration(tmp_path, app(phone_id_claim="person.ids.phone")), "ppid-anna").output.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["person"] == {"ids": {"phone": "ppid-anna"}}


def test_another_key_and_its_name(tmp_path: Path) -> None:
    config = configuration(tmp_path, app())
    write_new_key(tmp_path / "other.pem")
    result = run(config, "--key", str(tmp_path / "other.pem"), "--kid", "2027", "ppid-anna")
    key, _ = load_signing_key((tmp_path / "other.pem").read_bytes())
    token = result.output.strip()
    assert jwt.get_unverified_header(token)["kid"] == "2027"
    assert jwt.decode(token, key.public_key(), ["ES256"], audience="talaria-proxy")


def test_a_caller_with_a_secret_needs_no_key(tmp_path: Path) -> None:
    shared = {"web": {"issuer": "web", "algorithms": ["HS256"], "secret": {"file": "secret"}}}
    config = configuration(tmp_path, app() | shared)
    token = run(config, "--caller", "web", "ppid-anna").output.strip()
    assert jwt.decode(token, SECRET, ["HS256"], audience="talaria-proxy")["iss"] == "web"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ppid anna",), "visible ASCII"),
        (("--caller", "stranger", "ppid-anna"), "--caller app"),
        (("--lifetime", "12", "ppid-anna"), "duration"),
        (("--lifetime", "48h", "ppid-anna"), "max_lifetime is 24h"),
        ((), "PERSONAL_PHONE_ID"),
    ],
)
def test_wrong_usage_is_explained(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(configuration(tmp_path, app()), *arguments)
    assert result.exit_code == 2
    assert said in click.unstyle(result.output)  # rich_click has looked for FORCE_COLOR when it was imported


def test_a_shell_without_the_services_secrets_will_do(tmp_path: Path) -> None:
    config = configuration(tmp_path, app())
    config.write_text(config.read_text().replace('file = "secret"', 'env = "WIND_API_KEY"'))
    assert jwt.decode(run(config, "ppid-anna").output.strip(), options={"verify_signature": False})["iss"]


def test_what_is_wrong_with_the_caller_is_a_problem(tmp_path: Path) -> None:
    config = configuration(tmp_path, app(leeway=30))
    result = run(config, "ppid-anna")
    assert (result.exit_code, "callers.app.leeway" in result.output) == (78, True)


def test_the_usual_key_is_missing(tmp_path: Path) -> None:
    config = configuration(tmp_path, app())
    (tmp_path / CALLER_KEY).unlink()
    result = run(config, "ppid-anna")
    assert (result.exit_code, "talaria keys new --caller app" in result.output) == (1, True)


def test_a_missing_key_is_a_sentence(tmp_path: Path) -> None:
    result = run(configuration(tmp_path, app()), "--key", "no.pem", "ppid-anna")
    assert result.exit_code == 1
    assert "no.pem can't be read (No such file or directory)" in " ".join(result.output.split())


def test_a_file_that_is_no_private_key_is_not_shown(tmp_path: Path) -> None:
    config = configuration(tmp_path, app())
    key, _ = load_signing_key((tmp_path / CALLER_KEY).read_bytes())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    (tmp_path / "public.pem").write_bytes(pem)
    result = run(config, "--key", str(tmp_path / "public.pem"), "ppid-anna")
    assert result.exit_code == 1
    assert "not a private key" in " ".join(result.output.split())
    assert "BEGIN" not in result.output


def test_a_key_of_another_algorithm_than_the_callers(tmp_path: Path) -> None:
    result = run(configuration(tmp_path, app(algorithms=["RS256"])), "ppid-anna")
    assert result.exit_code == 1
    assert "callers.app.algorithms does not allow" in " ".join(result.output.split())
