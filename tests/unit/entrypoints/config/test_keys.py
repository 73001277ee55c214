"""Keys are checked when the configuration is loaded, not when the first token comes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON
from tests.unit.support_keys import (
    ANOTHER_P256,
    ED25519,
    P256,
    P384,
    RSA,
    SMALL_RSA,
    private_pem,
    public_pem,
    set_of,
)

APP = "callers.app"


def source(**keys: Any) -> dict[str, Any]:
    """The caller's table with these keys in place of jwks_url."""
    return {f"{APP}.jwks_url": None} | {f"{APP}.{name}": value for name, value in keys.items()}


def joined(*sets: bytes) -> bytes:
    """All keys of these JWK sets in one."""
    return json.dumps({"keys": [key for each in sets for key in json.loads(each)["keys"]]}).encode()


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [(P256, ["ES256"]), (P384, ["ES384"]), (RSA, ["RS256", "PS256"]), (ED25519, ["EdDSA"])],
)
def test_a_public_key_fits_the_algorithms_of_its_kind(own_bench: Bench, key: Any, algorithms: list[str]) -> None:
    (own_bench.folder / "app.pem").write_bytes(public_pem(key))
    app = own_bench.load(source(public_key_file="app.pem", algorithms=algorithms)).callers["app"]
    assert app.public_key_file == own_bench.folder / "app.pem"
    assert app.key_material == public_pem(key)


def test_a_key_set_fits_when_each_algorithm_has_a_key(own_bench: Bench) -> None:
    document = set_of(a=P256, b=RSA, c=P256)
    (own_bench.folder / "app.json").write_bytes(document)
    app = own_bench.load(source(jwks_file="app.json", algorithms=["ES256", "RS256"])).callers["app"]
    assert app.key_material == document


TWO_PEMS = public_pem(P256) + public_pem(ANOTHER_P256)
NAMELESS = [set_of(a=key).replace(b'"kid"', b'"name"') for key in (P256, ANOTHER_P256)]


@pytest.mark.parametrize(
    ("name", "content", "algorithms", "at", "wrong"),
    [
        ("public_key_file", public_pem(P256), ["ES256", "RS256"], "algorithms", "RS256"),
        ("public_key_file", public_pem(P256), ["ES256", "HS256"], "algorithms", "HS256"),
        ("public_key_file", public_pem(SMALL_RSA), ["RS256"], "public_key_file", "1024 bits"),
        ("public_key_file", private_pem(P256), ["ES256"], "public_key_file", "private key"),
        ("public_key_file", b"nonsense", ["ES256"], "public_key_file", "PEM"),
        (
            "public_key_file",
            TWO_PEMS,
            ["ES256"],
            "public_key_file",
            "2 keys fit ES256",
        ),
        ("jwks_file", set_of(a=P256), ["EdDSA"], "algorithms", "EdDSA"),
        ("jwks_file", set_of(a=SMALL_RSA, b=RSA), ["RS256"], "jwks_file", "1024 bits"),
        (
            "jwks_file",
            joined(set_of(a=P256), set_of(a=ANOTHER_P256)),
            ["ES256"],
            "jwks_file",
            "same kid",
        ),
        ("jwks_file", joined(*NAMELESS), ["ES256"], "jwks_file", "same kid"),
        ("jwks_file", b"{}", ["ES256"], "jwks_file", "JWK set"),
    ],
)
def test_a_key_that_does_not_fit_is_a_problem(
    own_bench: Bench, name: str, content: bytes, algorithms: list[str], at: str, wrong: str
) -> None:
    (own_bench.folder / "app.key").write_bytes(content)
    problems = own_bench.problems(source(**{name: "app.key"}, algorithms=algorithms))
    assert set(problems) == {f"{APP}.{at}"}
    assert wrong in problems[f"{APP}.{at}"].wrong


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("public_key_file", public_pem(P256) * 2),
        ("jwks_file", joined(set_of(a=P256), set_of(a=P256))),
        ("jwks_file", joined(set_of(a=P256), set_of(b=P256, c=ANOTHER_P256))),
        ("jwks_file", joined(NAMELESS[0], NAMELESS[0])),
        ("jwks_file", joined(NAMELESS[0], set_of(c=ANOTHER_P256))),
    ],
)
def test_the_same_key_twice_is_one_key(own_bench: Bench, name: str, content: bytes) -> None:
    (own_bench.folder / "app.key").write_bytes(content)
    assert own_bench.load(source(**{name: "app.key"})).callers["app"].key_material == content


@pytest.mark.parametrize("name", ["public_key_file", "jwks_file"])
def test_a_key_file_that_is_not_there(own_bench: Bench, name: str) -> None:
    assert "can't be read" in own_bench.problems(source(**{name: "missing"}))[f"{APP}.{name}"].wrong


@pytest.mark.parametrize(
    ("secret", "algorithms", "at"),
    [
        ("x" * 32, ["ES256"], "algorithms"),
        ("x" * 32, ["HS256", "ES256"], "algorithms"),
        ("x" * 31, ["HS256"], "secret"),
        (public_pem(P256).decode(), ["HS256"], "secret"),
    ],
)
def test_a_shared_secret_is_for_hs256_alone_and_long_enough(
    own_bench: Bench, secret: str, algorithms: list[str], at: str
) -> None:
    changes = source(secret={"env": "APP"}, algorithms=algorithms)
    problems = own_bench.problems(changes, {**ENVIRON, "APP": secret})
    assert set(problems) == {f"{APP}.{at}"}
    assert secret not in str(problems)


def test_a_good_shared_secret(own_bench: Bench) -> None:
    changes = source(secret={"env": "APP"}, algorithms=["HS256"])
    app = own_bench.load(changes, {**ENVIRON, "APP": "é" * 16}).callers["app"]
    assert app.secret is not None
    assert app.key_material == b""


@pytest.mark.parametrize("given", [{}, {"jwks_url": "https://i", "jwks_file": "x"}, {"secret": {}, "jwks_file": "x"}])
def test_exactly_one_source_of_keys(own_bench: Bench, given: dict[str, Any]) -> None:
    assert "exactly one" in own_bench.problems(source(**given))[APP].hint


@pytest.mark.parametrize("key", [P256, RSA, ED25519])
def test_signing_keys_of_three_kinds(own_bench: Bench, key: Any) -> None:
    (own_bench.folder / "k.pem").write_bytes(private_pem(key))
    (own_bench.folder / "k.pem").chmod(0o600)
    assert own_bench.load({"signing.keys": [{"kid": "k", "file": "k.pem"}]}).signing.keys[0].kid == "k"


@pytest.mark.parametrize("content", [b"", public_pem(P256), private_pem(P384), private_pem(SMALL_RSA), None])
def test_other_signing_keys_are_problems(own_bench: Bench, content: bytes | None) -> None:
    if content is not None:
        (own_bench.folder / "k.pem").write_bytes(content)
    problems = own_bench.problems({"signing.keys": [{"kid": "k", "file": "k.pem"}]})
    assert set(problems) == {"signing.keys[0].file"}


def test_a_signing_key_among_bytes_that_are_no_text_is_one_problem(own_bench: Bench) -> None:
    (own_bench.folder / "k.pem").write_bytes(b"\xe9\n" + private_pem(P256))
    problems = own_bench.problems({"signing.keys": [{"kid": "k", "file": "k.pem"}]})
    assert set(problems) == {"signing.keys[0].file"}
    assert "UTF-8" in problems["signing.keys[0].file"].wrong


def test_two_signing_keys_may_not_share_a_kid(own_bench: Bench) -> None:
    other = own_bench.folder / "k.pem"
    other.write_bytes(private_pem(ED25519))
    key = {"kid": "a", "file": "keys/2026-11.pem"}
    problems = own_bench.problems({"signing.keys": [key, {"kid": "a", "file": "k.pem"}]})
    assert set(problems) == {"signing.keys[1].kid"}


def test_what_every_user_may_read_is_a_warning(own_bench: Bench, tmp_path: Path) -> None:
    for name in ("keys/2026-11.pem", "token"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    (tmp_path / "token").write_text("t0ken")
    settings = own_bench.load({"personal.token": {"file": "token"}})
    assert [warning.key for warning in settings.warnings] == ["signing.keys[0].file", "personal.token"]
    (tmp_path / "token").chmod(0o640)
    (tmp_path / "keys/2026-11.pem").chmod(0o600)
    assert own_bench.load({"personal.token": {"file": "token"}}).warnings == ()


def test_no_secret_is_forgotten(own_bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret-of-more-than-32-characters")
    (tmp_path / "secret").chmod(0o644)
    secret = {"file": "secret"}
    jobs = {"api_key": [secret]}
    keys = ["personal.token", "partners.wind.api_key", "upstreams.talaria-services.api_key", "logging.person_key"]
    settings = own_bench.load({**dict.fromkeys(keys, secret), "callers.jobs": jobs})
    assert {warning.key for warning in settings.warnings} == {*keys, "callers.jobs.api_key"}


def test_plain_http_outside_is_a_warning(own_bench: Bench) -> None:
    changes = {"partners.wind.url": "http://api.wind.example", f"{APP}.jwks_url": "http://id.app.example/k"}
    assert {warning.key for warning in own_bench.load(changes).warnings} == {f"{APP}.jwks_url", "partners.wind.url"}
    changes = {"partners.wind.url": "http://127.0.0.1:8002", f"{APP}.jwks_url": "http://[::1]:8003/k"}
    assert own_bench.load(changes).warnings == ()
