"""The settings as operators see them."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from talaria.entrypoints.config.without_secrets import HIDDEN, differences, without_secrets
from talaria.sandbox.toml_writer import dumps
from tests.unit.entrypoints.config.conftest import GOOD, Bench
from tests.unit.entrypoints.config.support_config import ENVIRON


def test_every_setting_stands_there_as_it_is_written_and_no_secret_does(bench: Bench) -> None:
    canaries = {name: f"canary-{name}" for name in ENVIRON}
    settings = bench.load({"callers.app.rate_limit": "200/s burst 400"}, canaries)
    shown = without_secrets(settings)
    text = json.dumps(shown)
    assert "canary-" not in text
    assert "PRIVATE" not in text
    assert shown["personal"]["token"] == shown["partners"]["wind"]["api_key"] == HIDDEN
    assert shown["server"]["body_limit"] == "64MiB"
    assert shown["routes"]["wind"]["timeout"] == "10s"
    assert shown["callers"]["app"]["rate_limit"] == "200/s burst 400"
    assert shown["identities"]["max_entries"] == 100_000
    for table, keys in GOOD.items():
        assert set(keys) <= set(shown[table]), table


def test_a_setting_that_is_switched_off_stands_there_as_it_is_switched_off_in_the_file(bench: Bench) -> None:
    shown = without_secrets(bench.load())
    assert shown["server"]["decision_listen"] == ""
    assert shown["callers"]["app"]["rate_limit"] == shown["callers"]["app"]["person_rate_limit"] == ""
    assert shown["partners"]["wind"]["rate_limit"] == shown["partners"]["wind"]["egress_proxy"] == ""
    listening = {"server.decision_listen": "127.0.0.1:8081", "server.trusted_edges": ["127.0.0.1/32"]}
    assert without_secrets(bench.load(listening))["server"]["decision_listen"] == "127.0.0.1:8081"


def test_what_differs_is_named_with_both_values(bench: Bench) -> None:
    ours = without_secrets(bench.load())
    theirs = without_secrets(bench.load({"personal.timeout": "3s", "routes.more": tomllib.loads(ROUTE)}))
    found = differences(ours, theirs)
    assert found["personal.timeout"] == ("1s", "3s")
    assert found["routes.more.upstream"] == (None, "talaria-services")
    assert all(path.startswith(("personal.timeout", "routes.more.")) for path in found)
    assert differences(ours, ours) == {}


ROUTE = 'partner = "wind"\nupstream = "talaria-services"\n'


WRITTEN: dict[str, dict[str, Any]] = {
    "as the contract has it": {},
    "every duration another": {
        "server.keepalive_timeout": "1m",
        "identities.max_age": "90s",
        "identities.stale_if_error": "0s",
        "personal.timeout": "1500ms",
        "routes.wind.timeout": "1h",
        "tracing.sample": 1,
    },
    "sizes and rates": {
        "server.body_limit": "0",
        "server.header_limit": "16385",
        "callers.app.rate_limit": "5/m burst 9",
        "callers.app.person_rate_limit": "1/s",
        "partners.wind.rate_limit": "7/h",
        "partners.wind.max_concurrent": 3,
    },
    "networks, addresses and names": {
        "server.listen": "[::1]:8080",
        "server.trusted_proxies": ["10.0.0.0/8", "::1/128"],
        "server.decision_listen": "127.0.0.1:8081",
        "server.trusted_edges": ["127.0.0.1"],
        "callers.app.networks": ["192.0.2.0/24"],
        "partners.wind.source_address": "127.0.0.3",
        "routes.wind.methods": ["GET", "POST"],
    },
    "callers, routes and what is shown of them": {
        "callers.jobs": {"api_key": [{"env": "WIND_API_KEY"}, {"env": "PERSONAL_TOKEN"}]},
        "routes.jobs": {"identity": "none", "upstream": "talaria-services", "callers": ["jobs"]},
        "routes.wind.recheck": {"methods": ["POST"], "max_age": "30s"},
        "partners.wind.canary": {"adapter": "wind", "share": 0.25, "url": "https://new.wind.example"},
        "logging.person_key": {"env": "LONG"},
        "logging.format": "text",
        "decision.max_age": "5s",
    },
}


@pytest.mark.parametrize("changes", WRITTEN.values(), ids=list(WRITTEN))
def test_what_stands_there_is_read_back_as_the_same_settings(bench: Bench, changes: dict[str, Any]) -> None:
    environ = {name: f"{'long' * 8}-{name}" for name in (*ENVIRON, "LONG", "LONGER", "LONGEST")}
    shown = without_secrets(bench.load(changes, environ))
    again = bench.load_text(dumps(readable(shown, iter(environ))), environ)
    assert differences(shown, without_secrets(again)) == {}


def readable(shown: Any, secrets: Iterator[str]) -> Any:
    """The same, with a secret of its own where one is hidden, and without what is not there."""
    if isinstance(shown, dict):
        return {name: readable(one, secrets) for name, one in shown.items() if one is not None}
    if isinstance(shown, list):
        return [readable(one, secrets) for one in shown]
    return {"env": next(secrets)} if shown == HIDDEN else shown
