"""The search of what was printed finds what it must, and nothing that is shown on purpose."""

import logging
from pathlib import Path

import pytest

from tests.support_printed import FORBIDDEN, SOURCES, Printed, Records, logs_in

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"
SHOWN = f"curl -sS -H 'x-api-tag: wind' -H 'authorization: Bearer {TOKEN}' 'http://127.0.0.1:1/v1'"


def found(text: str) -> list[str]:
    printed = Printed()
    printed.note(text, "output", "a test")
    return printed.found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("to +4915112345678.", "a phone number"),
        ('{"id": "ppid-anna"}', "a personal_phone_id"),
        ("Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "a token"),
        ("-----BEGIN PRIVATE KEY-----", "a private key"),
        ("key: canary-wind-api-key-77ab", "a secret of the tests"),
    ],
)
def test_each_kind_is_found(text: str, what: str) -> None:
    assert what in FORBIDDEN
    assert f"a test printed {what} (output)" in found(f"before\n{text}\nafter")[0]


@pytest.mark.parametrize(
    "line",
    [SHOWN, "A request of ppid-anna, for the first time", "known persons: ppid-anna, ppid-boris", "said +1", TOKEN],
)
def test_what_is_shown_on_purpose_is_not(line: str) -> None:
    assert found(f"\n{line}\n") == []


@pytest.mark.parametrize(
    "line", [f" {SHOWN}", f"{SHOWN} ", SHOWN.replace("-sS", "-v"), "known persons: ppid-dora", f"{TOKEN} "]
)
def test_a_line_that_is_not_exactly_that_is_found(line: str) -> None:
    assert found(f"\n{line}\n")


def test_a_record_is_searched_as_the_program_prints_it() -> None:
    printed = Printed()
    for logger in ("httpx", "talaria"):
        Records(printed).handle(logging.makeLogRecord({"name": logger, "msg": "canary-%s", "args": ("a",)}))
    assert [("canary-a" in text, "(log)" in text) for text in printed.found] == [(True, True)]


def test_a_search_of_nothing_is_told_from_one_that_found_nothing() -> None:
    printed = Printed()
    assert printed.unseen() == list(SOURCES)
    printed.note("fine", "log", "a test")
    assert printed.unseen() == [source for source in SOURCES if source != "log"]


def test_a_gateways_files_are_its_logs(tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    for name in ("log", "worker.log", "world/a.jsonl", "signing.pem", "catalog"):
        (tmp_path / name).touch()
    assert sorted(path.name for path in logs_in(tmp_path)) == ["a.jsonl", "log", "worker.log"]
