"""Which files are read, and when two configurations are called the same."""

from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.workshop import ENVIRON


def test_keys_and_secrets_are_among_the_files(bench: Bench) -> None:
    (bench.folder / "wind.key").write_text("wind-canary")
    settings = bench.load({"partners.wind.api_key": {"file": "wind.key"}})
    assert settings.files == (bench.folder / "keys/2026-11.pem", bench.folder / "wind.key")


def test_the_digest_changes_with_a_setting(bench: Bench) -> None:
    before = bench.load().digest
    assert bench.load().digest == before
    assert len(before) == 12
    assert bench.load({"routes.wind.timeout": "9s"}).digest != before
    assert bench.load(None, {**ENVIRON, "TALARIA__SERVER__BODY_LIMIT": "1MiB"}).digest != before


def test_the_digest_says_nothing_of_a_secret(bench: Bench) -> None:
    before = bench.load().digest
    assert bench.load(None, {**ENVIRON, "WIND_API_KEY": "another"}).digest == before
