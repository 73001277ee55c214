"""Numbers and times as people read them."""

import pytest

from talaria.entrypoints.ops.page import words


@pytest.mark.parametrize(
    ("per_second", "text"), [(0, "0"), (0.019, "0.02"), (0.1, "0.1"), (3.44, "3.4"), (12.4, "12"), (1204.4, "1,204")]
)
def test_a_rate(per_second: float, text: str) -> None:
    assert words.rate(per_second) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.0008, "0.8 ms"), (0.01, "10 ms"), (0.12, "120 ms"), (1, "1.00 s")],  # noqa: RUF001 - a dash
)
def test_a_duration(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (60, "1 min"), (720, "12 min"), (3 * 3600, "3 h"), (47 * 3600, "47 h"), (2 * 86400, "2 days")],
)
def test_a_span(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.004, "0.4 %"), (0.9823, "98.2 %"), (0.99999, "99.9 %"), (1, "100 %")]
)
def test_a_percentage_is_never_a_hundred_where_it_is_less(share: float, text: str) -> None:
    assert words.percent(share) == text


def test_a_day_and_a_size() -> None:
    assert (words.day(0), words.megabytes(84e6)) == ("1970-01-01", "84 MB")


def test_a_moment_of_today_is_said_without_its_day() -> None:
    assert words.moment("1970-01-01T12:00:05.123Z", 60_000) == "12:00:05"
    assert words.moment("1970-01-01T12:00:05Z", 90_000) == "1970-01-01 12:00:05"
