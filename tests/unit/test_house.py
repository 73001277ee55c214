"""The rules of the house hold (tools/house_rules.py says what each demands)."""

from collections.abc import Callable

import pytest

from tools import house_rules

LEFT = (house_rules.too_much_code,)
HELD = [rule for rule in house_rules.RULES.values() if rule not in LEFT]


@pytest.mark.parametrize("rule", HELD, ids=lambda rule: rule.__name__)
def test_the_rules_of_the_house(rule: Callable[[], list[str]]) -> None:
    assert rule() == []
