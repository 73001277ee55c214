"""The contract's file becomes settings; what can't be read at all says so."""

from pathlib import Path

import msgspec
import pytest

from talaria.entrypoints.config import Address, ConfigurationError, load
from tests.unit.entrypoints.config.conftest import GOOD, Bench
from tests.unit.entrypoints.config.support_config import ENVIRON

BARE = """
[callers.app]
issuer = "i"
jwks_url = "https://id.example/keys"
[signing]
keys = [{ kid = "a", file = "keys/2026-11.pem" }]
[personal]
url = "http://personal.internal"
[partners.wind]
url = "https://api.wind.example"
api_key = { env = "WIND_API_KEY" }
[upstreams.talaria-services]
urls = ["http://talaria-services.internal"]
[routes.wind]
partner = "wind"
upstream = "talaria-services"
"""


def test_the_contracts_file_becomes_plain_values(bench: Bench) -> None:
    settings = bench.load_text((Path(__file__).parent / "contract.toml").read_text())
    assert settings.server.listen == Address("127.0.0.1", 8080)
    assert settings.server.header_limit == 32_768
    assert settings.callers["app"].max_lifetime == 86_400.0
    assert settings.signing.keys[0].file == bench.folder / "keys/2026-11.pem"
    assert settings.signing.keys[0].pem.reveal() == (bench.folder / "keys/2026-11.pem").read_text()
    assert settings.personal.token is not None
    assert settings.personal.token.reveal() == ENVIRON["PERSONAL_TOKEN"]
    assert settings.upstreams["talaria-services"].urls == ("http://talaria-services.internal",)
    assert settings.warnings == ()


def test_every_default_of_the_contract_is_the_default_here(bench: Bench) -> None:
    bare, full = bench.load_text(BARE), bench.load()
    assert bare.server == full.server
    assert bare.identities == full.identities
    assert bare.routes == full.routes
    token = full.personal.token
    assert msgspec.structs.replace(bare.personal, token=token) == full.personal
    assert bare.partners == full.partners
    upstream = full.upstreams["talaria-services"]
    assert msgspec.structs.replace(bare.upstreams["talaria-services"], api_key=upstream.api_key) == upstream
    app = full.callers["app"]
    assert msgspec.structs.replace(bare.callers["app"], issuer=app.issuer, jwks_url=app.jwks_url) == app


def test_settings_of_the_later_issues_have_their_defaults(bench: Bench) -> None:
    settings = bench.load_text(BARE)
    assert settings.server.max_in_flight == 1024
    assert settings.personal.max_concurrent == 64
    assert settings.partners["wind"].max_concurrent == 64


def test_defaults_that_follow_from_names_are_filled_in(bench: Bench) -> None:
    caller = GOOD["callers"]["app"] | {"issuer": "https://other.example"}
    settings = bench.load(
        {
            "callers.web": caller,
            "partners.bolt-eu": {"url": "https://b.example", "api_key": {"env": "WIND_API_KEY"}, "adapter": "wind"},
            "partners.wind.adapter": None,
            "partners.wind.user_id_header": None,
            "routes.wind.callers": None,
        }
    )
    assert settings.partners["wind"].adapter == "wind"
    assert settings.partners["wind"].user_id_header == "x-wind-user-id"
    assert settings.partners["bolt-eu"].user_id_header == "x-bolt-eu-user-id"
    assert settings.routes["wind"].callers == ("app", "web")


def test_each_entry_knows_its_own_name(bench: Bench) -> None:
    settings = bench.load()
    assert settings.callers["app"].name == "app"
    assert settings.partners["wind"].id == "wind"
    assert settings.upstreams["talaria-services"].name == "talaria-services"
    assert settings.routes["wind"].tag == "wind"


def test_settings_are_frozen(bench: Bench) -> None:
    settings = bench.load()
    with pytest.raises(AttributeError):
        settings.server.workers = 2  # type: ignore[misc]


def test_zero_stands_for_no_limit_and_for_never(bench: Bench) -> None:
    settings = bench.load({"server.body_limit": "0", "identities.stale_if_error": "0s", "server.listen": "[::1]:0"})
    assert settings.server.body_limit == 0
    assert settings.identities.stale_if_error == 0.0
    assert settings.server.listen == Address("::1", 0)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[server\n", "line 1"),
        (b"[server]\nworkers = 1\nworkers = 2\n", "line 3"),
        (b"[server]\n\xff", "byte 9"),
        (b"x = " + b"[" * 3000 + b"]" * 3000, "too deeply"),
    ],
)
def test_what_is_not_toml_is_one_problem_with_its_place(bench: Bench, content: bytes, sentence: str) -> None:
    bench.file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        load(bench.file, ENVIRON)
    assert len(refused.value.problems) == 1


def test_a_byte_order_mark_is_passed_over(bench: Bench) -> None:
    bench.load()
    bench.file.write_bytes(b"\xef\xbb\xbf" + bench.file.read_bytes())
    load(bench.file, ENVIRON)


def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="talaria init"):
        load(tmp_path / "missing.toml", {})
    with pytest.raises(ConfigurationError, match="can't be read"):
        load(tmp_path, {})


def test_an_empty_file_lists_what_every_configuration_needs(bench: Bench) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bench.load_text("")
    keys = [problem.key for problem in refused.value.problems]
    assert sorted(keys) == ["callers", "partners", "personal.url", "routes", "signing.keys", "upstreams"]
