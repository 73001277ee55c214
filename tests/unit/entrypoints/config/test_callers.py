"""Which callers go with which routes, and what an API key must be."""

from copy import deepcopy
from typing import Any

import pytest

from talaria.sandbox.certificates import write_certificate
from tests.support_rows import each_row
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON

KEYS = {**ENVIRON, "JOBS": "j" * 32, "NEXT": "n" * 32, "SHORT": "canary-short"}
JOBS: dict[str, Any] = {
    "callers.jobs": {"api_key": {"env": "JOBS"}},
    "routes.jobs": {"identity": "none", "upstream": "talaria-services"},
    "routes.wind.callers": None,
}


def test_a_route_admits_every_caller_of_its_kind(bench: Bench) -> None:
    settings = bench.load(JOBS, KEYS)
    assert settings.routes["jobs"].callers == ("jobs",)
    assert settings.routes["wind"].callers == ("app",)
    (key,) = settings.callers["jobs"].api_key or ()
    assert key.reveal() == KEYS["JOBS"]


def test_two_keys_may_be_good_at_once(bench: Bench) -> None:
    changed = {**JOBS, "callers.jobs": {"api_key": [{"env": "JOBS"}, {"env": "NEXT"}], "networks": ["10.0.0.0/8"]}}
    assert len(bench.load(changed, KEYS).callers["jobs"].api_key or ()) == 2


@each_row(
    ("changes", "at"),
    [
        ({"callers.jobs": {"api_key": {"env": "SHORT"}}}, "callers.jobs.api_key"),
        ({"callers.jobs": {"api_key": []}}, "callers.jobs.api_key"),
        ({"callers.jobs": {"api_key": [{"env": "JOBS"}] * 3}}, "callers.jobs.api_key"),
        ({"callers.jobs": {"api_key": [{"env": "JOBS"}] * 2}}, "callers.jobs.api_key"),
        ({"callers.jobs": {"api_key": "j" * 32}}, "callers.jobs.api_key"),
        ({"callers.jobs": {"api_key": {"env": "JOBS"}, "issuer": "https://jobs"}}, "callers.jobs.issuer"),
        ({"callers.jobs": {"api_key": {"env": "JOBS"}, "secret": {"env": "NEXT"}}}, "callers.jobs"),
        ({"callers.more": {"api_key": {"env": "JOBS"}}}, "callers.more.api_key"),
        ({"callers.app.issuer": None}, "callers.app.issuer"),
        ({"callers.app.phone_id_claim": "iss"}, "callers.app.phone_id_claim"),
        ({"callers.app.phone_id_claim": "jti"}, "callers.app.phone_id_claim"),
        ({"callers.app.phone_id_claim": "aud.person"}, "callers.app.phone_id_claim"),
        ({"callers.app.phone_id_claim": "person..id"}, "callers.app.phone_id_claim"),
        ({"callers.app.phone_id_claim": ".person"}, "callers.app.phone_id_claim"),
        ({"callers.app.networks": ["10.0.0.1/8"]}, "callers.app.networks[0]"),
        ({"routes.jobs.callers": ["app"]}, "routes.jobs.callers"),
        ({"routes.wind.callers": ["jobs"]}, "routes.wind.callers"),
        ({"routes.jobs.identity": "maybe"}, "routes.jobs.identity"),
        ({"routes.wind.partner": None}, "routes.wind.partner"),
        ({"routes.jobs.partner": "wnid"}, "routes.jobs.partner"),
    ],
)
def test_what_does_not_go_together_is_refused(bench: Bench, changes: dict[str, Any], at: str) -> None:
    problems = bench.problems({**deepcopy(JOBS), "routes.wind.callers": ["app"], **deepcopy(changes)}, KEYS)
    assert list(problems) == [at]
    assert not any(secret in str(problem) for problem in problems.values() for secret in KEYS.values())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("audience", "jobs"),
        ("algorithms", ["RS256"]),
        ("leeway", "5s"),
        ("max_lifetime", "1h"),
        ("person_rate_limit", "5/s"),
        ("phone_id_claim", "sub"),
        ("jwks_timeout", "1s"),
        ("egress_proxy", "http://p:3128"),
    ],
)
def test_a_rule_of_tokens_does_not_go_with_an_api_key(bench: Bench, key: str, value: object) -> None:
    problems = bench.problems({**deepcopy(JOBS), f"callers.jobs.{key}": value}, KEYS)
    assert list(problems) == [f"callers.jobs.{key}"]
    assert problems[f"callers.jobs.{key}"].hint.startswith("leave it out")


def test_a_route_that_admits_no_caller_is_refused(bench: Bench) -> None:
    problems = bench.problems({"routes.jobs": {"identity": "none", "upstream": "talaria-services"}})
    assert problems["routes.jobs.callers"].wrong == "there is no caller with an API key"


@pytest.mark.parametrize(
    ("key", "value"),
    [("jwks_timeout", "1s"), ("jwks_tls", {"ca_file": "ca.pem"}), ("egress_proxy", "http://p:3128")],
)
def test_how_keys_are_fetched_does_not_go_with_keys_that_are_here(own_bench: Bench, key: str, value: object) -> None:
    here = {"callers.app.jwks_url": None, "callers.app.secret": {"env": "JOBS"}, "callers.app.algorithms": ["HS256"]}
    write_certificate(own_bench.folder, "ca")
    assert list(own_bench.problems({**here, f"callers.app.{key}": value}, KEYS)) == [f"callers.app.{key}"]


def test_a_claim_may_be_inside_of_another(bench: Bench) -> None:
    settings = bench.load({"callers.app.phone_id_claim": "person.phone_id"})
    assert settings.callers["app"].phone_id_claim == "person.phone_id"
