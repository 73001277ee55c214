"""Secrets come from the environment or a file, and nothing shows them."""

import os
from pathlib import Path
from typing import Any

import pytest

from talaria.entrypoints.config.problems import InvalidValue
from talaria.entrypoints.config.secrets import HEADER_SECRET, SECRET, Secret
from talaria.entrypoints.config.sources import LoadContext
from tests.unit.entrypoints.config.conftest import Bench
from tests.unit.entrypoints.config.support_config import ENVIRON, read


def test_a_secret_shows_stars_whatever_is_asked() -> None:
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", f"{[secret]}"[1:-1], format(secret, "")} == {"***"}
    assert secret.reveal() == "hunter2"


@pytest.mark.parametrize(("content", "text"), [("s3\n", "s3"), ("s3\r\n", "s3"), ("s3\n\n", "s3\n"), ("s3", "s3")])
def test_one_trailing_newline_is_dropped(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "s").write_bytes(content.encode())
    context = LoadContext(tmp_path, {"S": content})
    assert read(SECRET, {"file": "s"}, context).reveal() == text
    assert read(SECRET, {"env": "S"}, context).reveal() == text


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("hunter2", "a string"),
        (7, "a whole number"),
        ({}, "no source"),
        ({"env": "A", "file": "b"}, "either env or file"),
        ({"evn": "A"}, "evn"),
        ({"env": ""}, "env"),
        ({"env": 7}, "env"),
        ({"env": "hunter2!"}, "env"),
        ({"env": "MISSING"}, "MISSING"),
        ({"env": "EMPTY"}, "EMPTY"),
        ({"env": "NEWLINE"}, "NEWLINE"),
        ({"file": "missing"}, "missing"),
        ({"file": "empty"}, "empty"),
        ({"file": "binary"}, "binary"),
        ({"file": "."}, "can't be read"),
    ],
)
def test_what_is_no_secret_is_refused_by_name_and_not_shown(tmp_path: Path, value: Any, named: str) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidValue) as refused:
        read(SECRET, value, LoadContext(tmp_path, {"EMPTY": "", "NEWLINE": "\n"}))
    assert named in refused.value.wrong
    assert "hunter2" not in refused.value.wrong + refused.value.hint


@pytest.mark.parametrize("text", ["two\nlines", " s3cret", "s3cret ", "tab\tbed", "ümlaut", "nul\0"])
def test_a_secret_for_a_header_is_one_line_of_visible_ascii(text: str) -> None:
    context = LoadContext(Path(), {"S": text})
    with pytest.raises(InvalidValue) as refused:
        read(HEADER_SECRET, {"env": "S"}, context)
    assert text.strip() not in refused.value.wrong
    assert read(SECRET, {"env": "S"}, context).reveal() == text


def test_no_secret_is_in_the_settings_repr_or_in_a_problem(bench: Bench) -> None:
    pem = (bench.folder / "keys/2026-11.pem").read_text()
    texts = [repr(bench.load()), str(bench.load().warnings)]
    texts += map(str, bench.problems({"routes.wind.partner": "wnd", "personal.token": "personal-canary"}).values())
    for canary in (*ENVIRON.values(), pem.splitlines()[1]):
        assert not any(canary in text for text in texts)


def test_a_missing_variable_is_named_with_its_key(bench: Bench) -> None:
    problems = bench.problems(environ={})
    assert set(problems) == {"personal.token", "partners.wind.api_key", "upstreams.talaria-services.api_key"}
    assert "WIND_API_KEY" in str(problems["partners.wind.api_key"])


@pytest.mark.parametrize(
    "at", ["personal.token", "partners.wind.api_key", "logging.person_key", "callers.jobs.api_key"]
)
@pytest.mark.parametrize("content", [b"\xff" * 40, b"canary" * 8 + b"\xe9"])
@pytest.mark.parametrize("source", ["env", "file"])
def test_a_secret_that_is_no_text_is_one_problem(own_bench: Bench, at: str, content: bytes, source: str) -> None:
    (own_bench.folder / "BYTES").write_bytes(content)
    problems = own_bench.problems({at: {source: "BYTES"}}, {**ENVIRON, "BYTES": os.fsdecode(content)})
    assert list(problems) == [at]
    assert "canary" not in str(problems)
