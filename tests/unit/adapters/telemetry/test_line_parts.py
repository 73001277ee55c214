"""Lines of parts: byte for byte what msgspec makes of the whole line."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.telemetry.line_parts import LineParts, forwarded_line
from talaria.domain.events import FlowLabels, RequestForwarded

TIME = "2026-11-18T12:00:00.123Z"
LABELS = FlowLabels("wind", "wind", "services", "app", "0123456789ab")
EVENT = RequestForwarded(LABELS, "r-1", "a" * 32, "GET", 200, 0, 2, 0.0123456, 0.0100009, 1.0, "http://a")


def test_the_line() -> None:
    assert LineParts(3).encode(EVENT, TIME).decode() == (
        '{"time":"2026-11-18T12:00:00.123Z","level":"info","event":"request","request_id":"r-1",'
        f'"trace_id":"{"a" * 32}","tag":"wind","method":"GET","status":200,"reason":"","origin":"upstream",'
        '"caller":"app","exchange":"hit","attempts":1,"bytes_in":0,"bytes_out":2,"total_ms":12.345,'
        '"upstream_ms":10.0,"worker":3,"person":"0123456789ab"}\n'
    )


def test_the_line_of_a_decision() -> None:
    decided = EVENT._replace(upstream_seconds=0.0, address="", bytes_out=0, edge=True)
    line = LineParts(3).encode(decided, TIME).decode()
    assert '"origin":"","caller":"app","exchange":"hit","attempts":0,' in line
    assert line.endswith('"upstream_ms":0.0,"worker":3,"person":"0123456789ab","edge":true}\n')


NAMES = st.text(st.characters(codec="utf-8"), max_size=20)
SECONDS = st.floats(0.0, 1e6)


@given(
    st.lists(
        st.builds(
            RequestForwarded,
            st.builds(FlowLabels, NAMES, NAMES, NAMES, NAMES, st.sampled_from(["", "0123456789ab", "ffffffffffff"])),
            st.sampled_from(["r-1", "other"]),
            st.sampled_from(["", "a" * 32]),
            st.sampled_from(["GET", "POST"]),
            st.integers(200, 399),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            SECONDS,
            SECONDS,
            SECONDS,
            NAMES,
            edge=st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_each_line_is_that_of_its_event(events: list[RequestForwarded]) -> None:
    parts = LineParts(1)
    for event in [*events, *events]:
        assert parts.encode(event, TIME) == msgspec.json.encode(forwarded_line(event, TIME, 1)) + b"\n"


@pytest.mark.parametrize("tag", ['a","bytes_in":1,"b":"', '"', "\\", '"person":"x'])
def test_a_name_can_not_look_like_a_field(tag: str) -> None:
    event = EVENT._replace(labels=LABELS._replace(tag=tag))
    assert LineParts(0).encode(event, TIME) == msgspec.json.encode(forwarded_line(event, TIME, 0)) + b"\n"
