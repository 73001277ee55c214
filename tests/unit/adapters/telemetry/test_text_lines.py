"""Lines for people."""

from typing import Any

import pytest

from talaria.adapters.telemetry.request_line import request_line
from talaria.adapters.telemetry.text_lines import encoded_text_line, text_line
from tests.unit.adapters.telemetry.test_request_line import NOON, finished


def test_a_request_is_a_short_line() -> None:
    line = text_line(request_line(finished("personal"), NOON))
    assert line.startswith("12:00:00  INFO     request request_id=r-1 tag=wind method=GET status=200 origin=upstream")
    assert "reason=" not in line
    assert encoded_text_line(request_line(finished("personal"), NOON)) == line.encode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("refused", "refused"),
        ("connection refused", '"connection refused"'),
        ("\x1b[31m\n", '"\\u001b[31m\\n"'),
        ("\ud800", '"\\ud800"'),
        (True, "true"),
        (["a"], '["a"]'),
    ],
)
def test_no_value_writes_to_the_terminal_as_it_likes(value: Any, written: str) -> None:
    line = text_line({"time": NOON, "level": "error", "event": "it is so", "cause": value})
    assert line == f"12:00:00  ERROR    it is so cause={written}"
