"""The settings as operators see them."""

import json
import tomllib

from talaria.entrypoints.config.without_secrets import HIDDEN, differences, without_secrets
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
