"""The check for what must not be printed finds it, says little of it, and finds nothing else."""

import logging

import pytest

from talaria.testing.printed import logged, personal_in


@pytest.mark.parametrize("text", ["+" + "4915112345678", "msisdn=4915112345678", "anna" + "@example.org"])
def test_what_is_personal_is_found_and_cut(text: str) -> None:
    (found,) = personal_in(f"before {text} after")
    assert found.endswith("...")
    assert len(found) == 6


@pytest.mark.parametrize("text", ["", "request 7 took 12.3 ms", "port 65535", "0.1234567890123", "a" * 40])
def test_other_text_is_not(text: str) -> None:
    assert personal_in(text) == []


def test_what_is_logged_is_seen_at_any_level_with_its_arguments() -> None:
    logger = logging.getLogger("talaria.test_printed")
    with logged() as text:
        logger.debug("one %s", "two")
    logger.warning("afterwards")
    assert "one two" in text.getvalue()
    assert "afterwards" not in text.getvalue()
