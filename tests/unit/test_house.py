"""The rules of the house hold (tools/house_rules.py says what each demands)."""

from collections.abc import Callable

import pytest

from tools import house_rules


@pytest.mark.parametrize("rule", house_rules.RULES.values(), ids=lambda rule: rule.__name__)
def test_the_rules_of_the_house(rule: Callable[[], list[str]]) -> None:
    assert rule() == []
