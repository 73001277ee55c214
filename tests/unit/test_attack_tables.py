"""The tables of attacks: as many cases as SECURITY.md says, each from somewhere, each with a named outcome."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.attacks.support_cases import load
from tests.support_refusals import MAKERS

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
AT_LEAST = {"tokens": 150, "names": 100, "tags": 30, "targets": 80, "framings": 70, "answers": 30}
ROW = re.compile(r"^\| [^|]+ \| ([0-9,]+) \| `tests/integration/attacks/cases/(\w+)\.toml` \|$", re.MULTILINE)
REASONS = set(MAKERS)


def test_security_says_how_many_cases_there_are() -> None:
    said = {table: int(count.replace(",", "")) for count, table in ROW.findall(SECURITY.read_text())}
    assert said == {table: len(load(table)) for table in AT_LEAST}


@pytest.mark.parametrize(("table", "count"), AT_LEAST.items())
def test_there_are_enough_and_no_two_of_one_name(table: str, count: int) -> None:
    cases = load(table)
    assert len(cases) >= count
    assert [name for name, times in Counter(case.name for case in cases).items() if times > 1] == []


@pytest.mark.parametrize("table", AT_LEAST)
def test_each_case_names_its_source_and_its_outcome(table: str) -> None:
    for case in load(table):
        assert case.source.strip(), case.name
        assert case.expect, case.name
        assert {word for word in case.expect if not word.isdigit() and word != "cut"} <= REASONS, case.name
