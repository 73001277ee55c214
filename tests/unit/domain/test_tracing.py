"""W3C trace context: what is continued, and what is begun anew."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.headers import RequestHeaders
from talaria.domain.tracing import trace_of

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GOOD = b"00-" + TRACE + b"-" + SPAN + b"-01"
FORM = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def head(parents: list[bytes], states: list[bytes] | None = None) -> RequestHeaders:
    """A request with these lines."""
    sorted_ = RequestHeaders([], {})
    for name, lines in ((b"traceparent", parents), (b"tracestate", states or [])):
        if lines:
            sorted_.consumed[name] = lines[0]
        if lines[1:]:
            sorted_.repeated[name] = lines[1:]
    return sorted_


@pytest.mark.parametrize(
    ("given_", "flags"),
    [
        (GOOD, b"01"),
        (GOOD[:-2] + b"00", b"00"),
        (GOOD[:-2] + b"03", b"03"),
        (GOOD[:-2] + b"ff", b"03"),
        (b"01" + GOOD[2:], b"01"),
        (b"cc" + GOOD[2:] + b"-what-comes-later", b"01"),
    ],
)
def test_a_trace_goes_on_under_a_new_parent(given_: bytes, flags: bytes) -> None:
    trace = trace_of(head([given_], [b"a=1"]))
    version, trace_id, span, flag = trace.parent.split(b"-")
    assert (version, trace_id, flag) == (b"00", TRACE, flags)
    assert span != SPAN
    assert trace.trace_id == TRACE.decode()
    assert trace.headers() == [(b"traceparent", trace.parent), (b"tracestate", b"a=1")]


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [b""],
        [GOOD, GOOD],
        [GOOD + b"-x"],
        [GOOD + b" "],
        [GOOD[:-1]],
        [GOOD.upper()],
        [b"ff" + GOOD[2:]],
        [b"ff" + GOOD[2:] + b"-x"],
        [b"01" + GOOD[2:] + b"x"],
        [b"0g" + GOOD[2:]],
        [GOOD.replace(TRACE, b"0" * 32)],
        [GOOD.replace(SPAN, b"0" * 16)],
        [GOOD.replace(TRACE, TRACE[:-1] + b"g")],
        [GOOD.replace(b"-", b"_")],
        [GOOD[:-2] + b"0x"],
        [GOOD[:-2] + b" 1"],
        [GOOD[:-2] + b"+1"],
        [b"x" * 55],
        [b"\xff" * 55],
        [b"x" * 30_000],
    ],
    ids=lambda value: repr(value)[:60],
)
def test_anything_else_begins_a_new_trace_without_the_clients_state(parents: list[bytes]) -> None:
    trace = trace_of(head(parents, [b"a=1"]))
    assert FORM.fullmatch(trace.parent)
    assert TRACE not in trace.parent
    assert trace.trace_id == trace.parent[3:35].decode()
    assert trace.headers() == [(b"traceparent", trace.parent)]


@pytest.mark.parametrize(
    ("states", "passed"),
    [
        ([], None),
        ([b""], None),
        ([b"a=1", b"b=2"], b"a=1,b=2"),
        ([b"a=" + b"x" * 510], b"a=" + b"x" * 510),
        ([b"a=" + b"x" * 511], None),
        ([b"a=" + b"x" * 300, b"b=" + b"x" * 300], None),
        ([b"a=\x00"], None),
        ([b"a=\xc3\xa9"], None),
        ([b"a=1", b"b=\x7f"], None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_state_goes_on_whole_or_not_at_all(states: list[bytes], passed: bytes | None) -> None:
    assert dict(trace_of(head([GOOD], states)).headers()).get(b"tracestate") == passed


@given(st.lists(st.binary(max_size=70), max_size=2), st.lists(st.binary(max_size=20), max_size=2))
def test_what_goes_on_is_always_well_formed(parents: list[bytes], states: list[bytes]) -> None:
    trace = trace_of(head(parents, states))
    assert FORM.fullmatch(trace.parent)
    assert len(trace.headers()) <= 2


def test_every_call_gets_a_span_of_its_own() -> None:
    assert len({trace_of(head([GOOD])).parent for _ in range(100)}) == 100
    assert len({trace_of(head([])).trace_id for _ in range(100)}) == 100
