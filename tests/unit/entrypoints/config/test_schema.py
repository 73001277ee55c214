"""The JSON Schema says of a file's single values what the loader says."""

from typing import Any

import jsonschema_rs
import pytest

from talaria.entrypoints.config import schema
from talaria.entrypoints.config.schema import resolve
from tests.unit.entrypoints.config.conftest import GOOD, Bench
from tests.unit.entrypoints.config.support_config import ENVIRON
from tests.unit.entrypoints.config.test_decoding import ALL_AT_ONCE

VALIDATOR = jsonschema_rs.Draft202012Validator(schema())
NO_MATTER_OF_FORM = {
    "routes.wind.partner",
    "routes.wind.upstream",
    "upstreams.talaria-services.api_key",
    "server.trusted_proxies",
    "personal.timeout",
    "signing.lifetime",
}
"""Problems of ALL_AT_ONCE that need other keys, the environment or arithmetic to be seen."""


def changed(key: str, value: Any) -> dict[str, Any]:
    """The good file with one change."""
    names = key.split(".")
    tree = {name: dict(table) for name, table in GOOD.items()}
    table: dict[str, Any] = tree
    for name in names[:-1]:
        table[name] = dict(table.get(name, {}))
        table = table[name]
    table[names[-1]] = value
    if value is None:
        del table[names[-1]]
    return tree


def test_the_contracts_file_is_valid() -> None:
    VALIDATOR.validate(GOOD)


@pytest.mark.parametrize("key", sorted(set(ALL_AT_ONCE) - NO_MATTER_OF_FORM))
def test_what_the_loader_refuses_by_form_is_not_valid(key: str) -> None:
    assert not VALIDATOR.is_valid(changed(key, ALL_AT_ONCE[key]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("partners.wind.api_key", "plain"),
        ("partners.wind.api_key", {"env": "A", "file": "b"}),
        ("partners.wind.api_key", {}),
        ("partners.Wind", GOOD["partners"]["wind"]),
        ("routes", {}),
        ("warnings", []),
        ("callers.app.name", "app"),
        ("server.listen", "8080"),
    ],
)
def test_other_files_are_not_valid(key: str, value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(key, value))


def test_each_default_is_what_a_person_writes_and_the_loader_takes(bench: Bench) -> None:
    tables = {name: resolve(part) for name, part in schema()["properties"].items()}
    server = {
        name: key["default"]
        for name, key in tables["server"]["properties"].items()
        if name not in ("tls", "decision_listen")
    }
    assert server["listen"] == "127.0.0.1:8080"
    assert server["header_limit"] == "32KiB"
    assert server["keepalive_timeout"] == "75s"
    identities = {name: key["default"] for name, key in tables["identities"]["properties"].items()}
    settings = bench.load({"server": server, "identities": identities}, ENVIRON)
    assert (settings.server, settings.identities) == (bench.load().server, bench.load().identities)


def test_defaults_that_follow_from_names_are_not_stated() -> None:
    tables = schema()["properties"]
    partner = resolve(tables["partners"]["additionalProperties"])["properties"]
    assert "default" not in partner["adapter"]
    assert "default" not in partner["user_id_header"]
    assert "default" not in resolve(tables["routes"]["additionalProperties"])["properties"]["callers"]


def test_every_key_of_a_section_has_a_description() -> None:
    tables = [resolve(part.get("additionalProperties") or part) for part in schema()["properties"].values()]
    keys = [key for table in tables for key in table["properties"].items()]
    assert len(keys) > 45
    assert [name for name, key in keys if not key.get("description")] == []
