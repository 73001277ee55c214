"""The rows of the list, and the moments that it may begin at."""

import datetime

import pytest
from msgspec.structs import replace

from talaria.entrypoints.cli.failure_list import moment, print_list
from tests.unit.entrypoints.ops.support_ops import failure_record

NOW = datetime.datetime(2026, 11, 28, 22, 15, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("15m", "2026-11-28T22:00:30Z"),
        ("03:10", "2026-11-28T03:10:00Z"),
        ("03:10:59", "2026-11-28T03:10:59Z"),
        ("2026-11-27T03:10:00Z", "2026-11-27T03:10:00Z"),
        ("2026-11-27T03:10:00+01:00", "2026-11-27T02:10:00Z"),
        ("2026-11-27T03:10", "2026-11-27T03:10:00Z"),
    ],
)
def test_a_moment_is_written_as_it_comes_to_mind(text: str, meant: str) -> None:
    assert moment(text, NOW) == meant


@pytest.mark.parametrize("text", ["yesterday", "25:00", "3pm", "-5m"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment(text, NOW)


def test_a_narrow_terminal_shows_each_whole_in_two_rows_the_request_id_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    longest = replace(failure_record("0123456789abcdef" * 2), reason="partner-user-unknown", cause="connection refused")
    print_list([longest], headings=False)
    first, second = capsys.readouterr().out.splitlines()
    assert max(len(first), len(second)) <= 80
    assert first.split() == [longest.request_id, "502", "partner-user-unknown"]
    assert second.split() == [longest.time, "wind", "app", "750", "ms", "connection", "refused"]


def test_in_a_pipe_each_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "")
    print_list([failure_record(), failure_record("r-2")])
    headings, one, two = capsys.readouterr().out.splitlines()
    assert headings.startswith("request id")
    assert (one.split()[0], two.split()[0]) == ("r-1", "r-2")
