"""Times as text."""

from talaria.adapters.telemetry.timestamps import Timestamps, rfc3339

NOON = 1_795_003_200_123_456_789


def test_the_time_is_that_of_the_clock() -> None:
    moments = [0, 999_999_999, 1_000_000_000, NOON]
    stamps = Timestamps(iter(moments).__next__)
    assert [stamps.now() for _ in moments] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.999Z",
        "1970-01-01T00:00:01.000Z",
        "2026-11-18T12:00:00.123Z",
    ]


def test_a_moment_to_the_second() -> None:
    assert rfc3339(NOON / 1e9) == "2026-11-18T12:00:00Z"
