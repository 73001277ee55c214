"""How single values are written: durations, sizes, counts, words."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talaria.domain.rate_limits import RateLimit
from talaria.entrypoints.config.problems import InvalidValue
from talaria.entrypoints.config.types import (
    FILE,
    RATE,
    Count,
    Duration,
    Size,
    choice,
    pattern,
    seconds_of,
    within,
    write_rate,
    write_seconds,
    write_size,
)
from tests.support_rows import each_row
from tests.unit.entrypoints.config.support_config import read

ANY_DURATION = Annotated[Duration, within(0, 3_600_000, "")]
ANY_FILE = Annotated[Path, FILE]
ANY_SIZE = Annotated[Size, within(0, 1 << 40, "")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("1ms", 0.001), ("10s", 10.0), ("1.5s", 1.5), ("15m", 900.0), ("24h", 86_400.0), ("0s", 0.0)],
)
def test_durations_become_seconds(text: str, seconds: float) -> None:
    assert read(ANY_DURATION, text) == seconds


@pytest.mark.parametrize(
    ("text", "size_in_bytes"),
    [("0", 0), ("512", 512), ("7B", 7), ("32KiB", 32_768), ("8MiB", 8 << 20), ("1GiB", 1 << 30)],
)
def test_sizes_become_bytes(text: str, size_in_bytes: int) -> None:
    assert read(ANY_SIZE, text) == size_in_bytes


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", None),
        ("200/s", RateLimit(200.0, 200)),
        ("200/s burst 400", RateLimit(200.0, 400)),
        ("30/m", RateLimit(0.5, 30)),
        ("7/h burst 1", RateLimit(7 / 3600, 1)),
    ],
)
def test_rates_become_limits(text: str, limit: RateLimit | None) -> None:
    assert read(RATE, text) == limit


REFUSED: list[tuple[Any, list[Any]]] = [
    (ANY_DURATION, ["", "10", "10 s", "s", "-1s", "1e3s", "10S", "1d", "٣s", "10s\n", 10, 1.5, True]),
    (Annotated[Duration, within(0.001, 3600, "")], ["0s", "0.5ms", "3601s", "2h"]),
    (ANY_SIZE, ["", "KiB", "32 KiB", "-1", "1.5MiB", "32kb", "1TiB", "32KiB\n", 32, None, []]),
    (Annotated[Size, within(1 << 10, 1 << 20, "")], ["0", "1023", "2MiB"]),
    (Annotated[Count, within(1, 10, "")], [0, 11, -1, "3", 3.0, True]),
    (RATE, ["200", "0/s", "200/d", "200/s burst", "200/s burst 0", "200 /s", "-1/s", "1.5/s", "200/s\n", 200, None]),
    (choice(("wire", "httpx")), ["", "Wire", "http", 1, ["wire"], {"wire": 1}]),
    (Annotated[str, pattern("[a-z]+", "write letters")], ["", "A", "a\n", 1]),
    (ANY_FILE, ["", "a\0b", 1, {}]),
]


@each_row(("form", "value"), [(form, value) for form, values in REFUSED for value in values])
def test_what_is_not_in_the_form_is_refused_with_what_to_write(form: Any, value: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        read(form, value)
    assert refused.value.wrong
    assert refused.value.hint.startswith(("write ", "did you mean "))


def test_paths_start_from_the_files_folder() -> None:
    assert read(ANY_FILE, "keys/a.pem") == Path("/etc/talaria/keys/a.pem")
    assert read(ANY_FILE, "/run/secrets/a.pem") == Path("/run/secrets/a.pem")


@given(st.integers(0, 10**9))
def test_what_is_rendered_reads_back(number: int) -> None:
    assert read(ANY_SIZE, write_size(number)) == number
    assert seconds_of(write_seconds(number % 86_400)) == number % 86_400


@given(st.from_regex(r"\A[1-9][0-9]{0,6}/[smh]( burst [1-9][0-9]{0,6})?\Z", alphabet=st.characters(codec="ascii")))
@example("30/m")
@example("7/h")
def test_a_rate_that_is_rendered_reads_back(text: str) -> None:
    rate = read(RATE, text)
    assert read(RATE, write_rate(rate)) == rate


def test_rendering_takes_the_largest_whole_unit() -> None:
    assert [write_seconds(s) for s in (0.25, 1.5, 10.0, 60.0, 900.0, 3600.0, 0.0)] == [
        "250ms",
        "1500ms",
        "10s",
        "60s",
        "15m",
        "1h",
        "0s",
    ]
    assert [write_size(b) for b in (0, 100, 32_768, 64 << 20)] == ["0", "100", "32KiB", "64MiB"]


def test_a_long_value_is_shown_cut_and_escaped() -> None:
    with pytest.raises(InvalidValue) as refused:
        read(ANY_DURATION, "\x1b[31m" + "x" * 500)
    assert "\x1b" not in refused.value.wrong
    assert len(refused.value.wrong) < 120


RANGES: list[tuple[Any, dict[str, float], float, float]] = [
    (Annotated[Duration, within(0.001, 3600, "")], {"ms": 0.001, "s": 1, "m": 60, "h": 3600}, 0.001, 3600),
    (
        Annotated[Size, within(1, 1 << 30, "")],
        {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30},
        1,
        1 << 30,
    ),
]


@given(st.integers(0, 5000), st.sampled_from(["", "B", "KiB", "MiB", "GiB", "ms", "s", "m", "h", "d", "kb"]))
def test_a_number_with_a_unit_is_taken_exactly_where_it_is_in_range(number: int, unit: str) -> None:
    for kind, units, least, most in RANGES:
        meant = number * units[unit] if unit in units else -1.0
        try:
            assert read(kind, f"{number}{unit}") == pytest.approx(meant)
        except InvalidValue:
            assert not least <= meant <= most
        else:
            assert least <= meant <= most


@given(st.integers(-5, 15))
def test_a_whole_number_is_taken_exactly_where_it_is_in_range(number: int) -> None:
    try:
        assert read(Annotated[Count, within(1, 10, "")], number) == number
    except InvalidValue:
        assert not 1 <= number <= 10
    else:
        assert 1 <= number <= 10


_LIKE_A_VALUE = st.text(alphabet="0123456789.msh KiBMG-+e_\n٣", max_size=24)
ANYTHING = _LIKE_A_VALUE | st.text(max_size=12) | st.none() | st.booleans() | st.integers() | st.floats() | st.just([1])


@given(ANYTHING)
@example("10s")
@example("8KiB")
@example(7)
@example("9h")
@example("2GiB")
@example(11)
def test_whatever_is_written_is_in_range_or_refused(value: Any) -> None:
    for kind, most in (*((kind, most) for kind, _, _, most in RANGES), (Annotated[Count, within(1, 10, "")], 10)):
        try:
            parsed = read(kind, value)
        except InvalidValue:
            continue
        assert 0 < parsed <= most
