"""The rules of the house hold (tools/house_rules.py says what each demands)."""

from collections.abc import Callable

import pytest

from tools import house_rules

HELD = [house_rules.import_circles, house_rules.long_files, house_rules.unnamed_helpers]


@pytest.mark.parametrize("rule", HELD, ids=lambda rule: rule.__name__)
def test_the_rules_of_the_house(rule: Callable[[], list[str]]) -> None:
    assert rule() == []
