"""Every problem is found in one go, each under the path of its key."""

from typing import Any

import pytest

from talaria.entrypoints.config import schema
from talaria.entrypoints.config.schema import resolve
from tests.support_rows import Rows
from tests.unit.entrypoints.config.conftest import Bench

ALL_AT_ONCE: dict[str, Any] = {
    "server.listen": "8080",
    "server.trusted_proxies": ["10.0.0.1/8"],
    "server.workrs": 2,
    "callers.app.algorithms": ["RS255"],
    "callers.app.leeway": 30,
    "signing.lifetime": "0s",
    "personal.url": "personal.internal",
    "personal.timeout": "0s",
    "partners.wind.url": None,
    "identities.max_entries": 0,
    "upstreams.talaria-services.urls": [],
    "upstreams.talaria-services.api_key": {"env": "NOT_THERE"},
    "routes.wind.partner": "wnid",
    "routes.wind.upstream": "nothing",
    "routes.wind.methods": ["get"],
}


def test_all_problems_are_listed_together(bench: Bench) -> None:
    problems = bench.problems(ALL_AT_ONCE)
    expected = {key.replace("trusted_proxies", "trusted_proxies[0]") for key in ALL_AT_ONCE}
    expected = {key.replace("algorithms", "algorithms[0]").replace("methods", "methods[0]") for key in expected}
    assert set(problems) == expected
    assert all(problem.wrong and problem.hint for problem in problems.values())


@pytest.mark.parametrize("key", sorted(ALL_AT_ONCE))
def test_each_of_them_is_a_problem_alone(bench: Bench, key: str) -> None:
    assert [found.split("[")[0] for found in bench.problems({key: ALL_AT_ONCE[key]})] == [key]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("server.lisen", "listen"),
        ("sever", "server"),
        ("callers.app.algoritms", "algorithms"),
        ("routes.wind.time_out", "timeout"),
        ("upstreams.talaria-services.url", "urls"),
    ],
)
def test_an_unknown_key_gets_a_did_you_mean(bench: Bench, key: str, meant: str) -> None:
    problem = bench.problems({key: "x"})[key]
    assert problem.hint == f'did you mean "{meant}"?'


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("callers.app.algorithms", ["es256"], "ES256"),
        ("routes.wind.methods", ["get"], "GET"),
        ("routes.wind.identity", "None", "none"),
        ("logging.format", "JSON", "json"),
    ],
)
def test_a_word_in_another_case_gets_a_did_you_mean(bench: Bench, key: str, value: object, meant: str) -> None:
    (problem,) = [one for at, one in bench.problems({key: value}).items() if at.startswith(key)]
    assert problem.hint == f'did you mean "{meant}"?'


def test_a_word_that_resembles_nothing_gets_the_list(bench: Bench) -> None:
    assert bench.problems({"logging.format": "xml"})["logging.format"].hint == "write one of: auto, json, text"


def test_an_unknown_key_that_resembles_nothing_gets_the_list(bench: Bench) -> None:
    assert "listen, max_in_flight" in bench.problems({"server.zzz": 1})["server.zzz"].hint


def test_a_key_that_the_loader_fills_in_is_unknown_in_the_file(bench: Bench) -> None:
    keys = ["callers.app.name", "callers.app.key_material", "partners.wind.id", "routes.wind.tag", "warnings"]
    assert set(bench.problems(dict.fromkeys(keys, "x"))) == set(keys)


@pytest.mark.parametrize(
    ("key", "value", "at"),
    [
        ("server", 3, "server"),
        ("routes", [], "routes"),
        ("routes.wind", "wind", "routes.wind"),
        ("signing.keys", {}, "signing.keys"),
        ("signing.keys", [], "signing.keys"),
        ("signing.keys", ["a"], "signing.keys[0]"),
        ("signing.keys", [{"kid": "a"}], "signing.keys[0].file"),
        ("callers.app.algorithms", "ES256", "callers.app.algorithms"),
        ("callers.app.algorithms", ["ES256", "ES256"], "callers.app.algorithms[1]"),
        ("routes.wind.callers", [], "routes.wind.callers"),
        ("upstreams.talaria-services.urls", ["http://a", "http://a/"], "upstreams.talaria-services.urls[1]"),
        ("partners.Bolt", {"url": "http://h", "api_key": {"env": "WIND_API_KEY"}, "adapter": "wind"}, "partners.Bolt"),
        ("partners.wind.adapter", "", "partners.wind.adapter"),
        ("partners.wind.user_id_header", "X-User", "partners.wind.user_id_header"),
        ("partners.wind.user_id_header", "x_user", "partners.wind.user_id_header"),
        ("callers.app.issuer", "", "callers.app.issuer"),
    ],
)
def test_a_value_of_the_wrong_shape_stands_under_its_path(bench: Bench, key: str, value: Any, at: str) -> None:
    assert set(bench.problems({key: value})) == {at}


@pytest.mark.parametrize(
    "key",
    [
        "callers.app.issuer",
        "signing.keys",
        "personal.url",
        "partners.wind.url",
        "partners.wind.api_key",
        "upstreams.talaria-services.urls",
        "routes.wind.partner",
        "routes.wind.upstream",
    ],
)
def test_a_key_without_a_default_must_be_there(bench: Bench, key: str) -> None:
    assert "missing" in bench.problems({key: None})[key].wrong


@pytest.mark.parametrize(
    ("key", "may_be_left_out"),
    [
        ("signing.keys", False),
        ("upstreams.talaria-services.urls", False),
        ("routes.wind.callers", True),
        ("callers.app.algorithms", True),
    ],
)
def test_only_a_key_with_a_default_may_be_left_out(bench: Bench, key: str, may_be_left_out: bool) -> None:
    assert ("leave the key out" in bench.problems({key: []})[key].hint) is may_be_left_out


def test_a_key_that_there_was_says_what_took_its_place(bench: Bench) -> None:
    at = "upstreams.talaria-services.transport"
    assert "edge proxy" in bench.problems({at: "httpx"})[at].hint


NAMES = {"callers": "app", "partners": "wind", "upstreams": "talaria-services", "routes": "wind"}
KEYS = [
    ".".join(filter(None, (section, NAMES.get(section), key)))
    for section, part in schema()["properties"].items()
    for key in resolve(part.get("additionalProperties") or part)["properties"]
]


@pytest.mark.parametrize("value", [-1, 1.5, "\0", [[]], [{"odd": 1}], {"odd": 1}], ids=str)
def test_whatever_is_invalid_is_a_problem_at_its_place(bench: Bench, value: Any) -> None:
    with Rows() as rows:
        for key in KEYS:
            with rows.row(key):
                problems = bench.problems({key: value})
                assert any(found.split("[")[0].startswith(key) for found in problems), problems
