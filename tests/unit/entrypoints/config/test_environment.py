"""`TALARIA__SECTION__KEY` stands for a key of the file."""

import os

import pytest

from talaria.entrypoints.config import Address, Settings
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON


def load(bench: Bench, **variables: str) -> Settings:
    return bench.load(environ={**ENVIRON, **variables})


def test_values_are_read_as_toml_or_as_text(bench: Bench) -> None:
    settings = load(
        bench,
        TALARIA__SERVER__LISTEN="0.0.0.0:80",
        TALARIA__SERVER__WORKERS="4",
        TALARIA__SERVER__TRUSTED_PROXIES='["10.0.0.0/8"]',
        TALARIA__SERVER__HEADER_TIMEOUT='"3s"',
        TALARIA__SIGNING__ISSUER="2026",
        TALARIA__SERVER__BODY_LIMIT="0",
    )
    assert settings.server.listen == Address("0.0.0.0", 80)  # noqa: S104 - parsed, not listened on
    assert settings.server.workers == 4
    assert [str(network) for network in settings.server.trusted_proxies] == ["10.0.0.0/8"]
    assert settings.server.header_timeout == 3.0
    assert settings.signing.issuer == "2026"
    assert settings.server.body_limit == 0


@pytest.mark.parametrize(
    "variable",
    [
        "TALARIA__UPSTREAMS__TALARIA_SERVICES__MAX_CONNECTIONS",
        "TALARIA__upstreams__talaria-services__max_connections",
        "talaria__Upstreams__Talaria_Services__Max_Connections",
    ],
)
def test_names_match_without_case_and_a_dash_as_an_underscore(bench: Bench, variable: str) -> None:
    assert load(bench, **{variable: "7"}).upstreams["talaria-services"].max_connections == 7


def test_a_table_that_the_file_leaves_out_can_be_set(bench: Bench) -> None:
    settings = bench.load({"identities": None}, {**ENVIRON, "TALARIA__IDENTITIES__MAX_ENTRIES": "5"})
    assert settings.identities.max_entries == 5


def test_a_secret_can_be_moved_but_not_written(bench: Bench) -> None:
    moved = load(bench, OTHER="other", TALARIA__PERSONAL__TOKEN__ENV="OTHER")
    assert moved.personal.token is not None
    assert moved.personal.token.reveal() == "other"
    whole = load(bench, OTHER="other", TALARIA__PERSONAL__TOKEN='{ env = "OTHER" }')
    assert whole.personal.token == moved.personal.token
    problems = bench.problems(environ={**ENVIRON, "TALARIA__PERSONAL__TOKEN": "hunter2"})
    assert "hunter2" not in str(problems["personal.token"])


def test_a_problem_with_an_override_names_the_variable(bench: Bench) -> None:
    problems = bench.problems(environ={**ENVIRON, "TALARIA__SERVER__TRUSTED_PROXIES": '["x"]'})
    assert "TALARIA__SERVER__TRUSTED_PROXIES" in problems["server.trusted_proxies[0]"].wrong


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("TALARIA__SERVER__LISTN", '"listen"'),
        ("TALARIA__SEVER__LISTEN", '"server"'),
        ("TALARIA__ROUTES__WIMD__TIMEOUT", '"wind"'),
        ("TALARIA__SERVER__LISTEN__PORT", "server.listen"),
        ("TALARIA__SIGNING__KEYS__0__KID", "signing.keys"),
        ("TALARIA__PERSONAL__TOKEN__ENVV", '"env"'),
        ("TALARIA__", "server"),
        ("TALARIA__SERVER__", "listen"),
    ],
)
def test_a_variable_that_matches_nothing_is_the_only_problem(bench: Bench, variable: str, hint: str) -> None:
    problems = bench.problems(environ={**ENVIRON, variable: "1"})
    assert set(problems) == {variable}
    assert hint in problems[variable].hint


def test_a_name_that_could_mean_two_tables_is_refused(bench: Bench) -> None:
    twin = {"urls": ["http://h"]}
    changes = {"upstreams.a-b": twin, "upstreams.a_b": twin}
    variable = "TALARIA__UPSTREAMS__A_B__AUDIENCE"
    assert set(bench.problems(changes, {**ENVIRON, variable: "x"})) == {variable}


def test_an_override_inside_what_is_no_table_is_refused(bench: Bench) -> None:
    problems = bench.problems({"server": 3}, {**ENVIRON, "TALARIA__SERVER__WORKERS": "1"})
    assert set(problems) == {"server", "TALARIA__SERVER__WORKERS"}


def test_other_variables_are_left_alone(bench: Bench) -> None:
    load(bench, TALARIA_SERVER_LISTEN="x", TALARIA="y", TALARIAN__X="z")


def test_text_with_a_line_break_is_text(bench: Bench) -> None:
    assert "signing.issuer" in bench.problems(environ={**ENVIRON, "TALARIA__SIGNING__ISSUER": "1\nx = 2"})


@pytest.mark.parametrize("setting", ["SIGNING__ISSUER", "PERSONAL__TOKEN__ENV", "SIGNING__KEYS", "SERVER__WORKERS"])
def test_a_variable_that_is_no_text_is_one_problem(bench: Bench, setting: str) -> None:
    variable = f"TALARIA__{setting}"
    problems = bench.problems(environ={**ENVIRON, variable: os.fsdecode(b"\xff")})
    assert list(problems) == [variable]
    assert "UTF-8" in problems[variable].wrong
