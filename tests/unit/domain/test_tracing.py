"""W3C trace context: what passes, and what is dropped."""

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.domain.events import PERSONAL_SPAN, SERVER_SPAN, UPSTREAM_SPAN
from talaria.domain.headers import RequestHeaders
from talaria.domain.tracing import NO_TRACE, Tracing, is_recorded, trace_of
from tests.support_rows import each_row

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GOOD = b"00-" + TRACE + b"-" + SPAN + b"-01"
FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


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
    "parent",
    [
        GOOD,
        GOOD[:-2] + b"00",
        GOOD[:-2] + b"ff",
        b"01" + GOOD[2:],
        b"cc" + GOOD[2:] + b"-what-comes-later",
    ],
)
def test_a_clients_trace_passes_unchanged(parent: bytes) -> None:
    trace = trace_of(head([parent], [b"a=1"]))
    assert trace.trace_id == TRACE.decode()
    assert trace.headers() == [(b"traceparent", parent), (b"tracestate", b"a=1")]


@each_row(
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
)
def test_anything_else_is_no_trace_and_none_is_begun(parents: list[bytes]) -> None:
    assert trace_of(head(parents, [b"a=1"])) == NO_TRACE
    assert NO_TRACE.headers() == []


@each_row("at", range(55))
def test_each_character_has_its_own_form(at: int) -> None:
    for byte in (b"g", b"G", b"-", b" ", b"\xff", b"A"):
        if GOOD[at : at + 1] != byte:
            assert trace_of(head([GOOD[:at] + byte + GOOD[at + 1 :]])) == NO_TRACE, byte


@pytest.mark.parametrize("more", [b"-", b"-x", b"--"])
def test_a_later_version_may_be_longer_from_a_dash_on(more: bytes) -> None:
    assert trace_of(head([b"01" + GOOD[2:] + more])).parent == b"01" + GOOD[2:] + more


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


def digits(length: int) -> st.SearchStrategy[str]:
    """So many hexadecimal digits, not all of them zero."""
    return st.text("0123456789abcdef", min_size=length, max_size=length).filter(lambda text: text.strip("0") != "")


parents = st.builds("00-{}-{}-{}".format, digits(32), digits(16), digits(2)).map(str.encode)
reached = {"passed": 0, "dropped": 0}


@given(parents, st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=1)), max_size=2))
def passes_only_where_it_is_still_well_formed(parent: bytes, edits: list[tuple[int, bytes]]) -> None:
    for at, byte in edits:
        parent = parent[:at] + byte + parent[at + 1 :]
    sent = dict(trace_of(head([parent])).headers())
    reached["passed" if sent else "dropped"] += 1
    if sent:
        assert sent == {b"traceparent": parent}
        assert FORM.match(parent)


def test_a_spoilt_trace_passes_only_where_it_is_still_well_formed() -> None:
    passes_only_where_it_is_still_well_formed()
    assert min(reached.values()) > 0


@pytest.mark.parametrize(("flags", "sent"), [(b"00", b"00"), (b"01", b"01"), (b"03", b"03"), (b"ff", b"03")])
def test_a_clients_trace_is_continued_by_a_span_of_ours(flags: bytes, sent: bytes) -> None:
    given = b"01-" + TRACE + b"-" + SPAN + b"-" + flags
    trace = Tracing(0.0).trace_of(head([given], [b"a=1"]), "https")
    assert (trace.trace_id, trace.given, trace.scheme) == (TRACE.decode(), given, "https")
    assert trace.sampled == (int(flags, 16) & 1 == 1)
    assert trace.headers() == [(b"traceparent", trace.parent), (b"tracestate", b"a=1")]
    assert trace.parent[:36] == b"00-" + TRACE + b"-"
    assert trace.parent[52:] == b"-" + sent
    assert (trace.parent[36:52] != SPAN, FORM.fullmatch(trace.parent) is not None) == (True, True)


@pytest.mark.parametrize("parents", [[], [GOOD, GOOD], [b"00-nonsense"]])
def test_without_a_trace_of_the_clients_one_is_begun(parents: list[bytes]) -> None:
    trace, other = (Tracing(1.0).trace_of(head(parents, [b"a=1"]), "http") for _ in range(2))
    assert trace.given == b""
    assert dict(trace.headers()) == {b"traceparent": trace.parent}
    assert FORM.fullmatch(trace.parent)
    assert trace.parent.startswith(f"00-{trace.trace_id}-".encode())
    assert trace.parent.endswith(b"-01")
    assert trace.trace_id != other.trace_id


def test_the_spans_of_a_request_have_different_ids() -> None:
    trace = Tracing(1.0).begin()
    ids = {which: trace.span_id(which) for which in (SERVER_SPAN, UPSTREAM_SPAN, PERSONAL_SPAN)}
    assert len(set(ids.values())) == 3
    assert ids[UPSTREAM_SPAN] == trace.parent[36:52]
    assert trace.parent_of(PERSONAL_SPAN) == f"00-{trace.trace_id}-{ids[PERSONAL_SPAN].decode()}-01"


def test_the_host_that_the_client_asked_is_kept() -> None:
    asked = head([])
    asked.consumed[b"host"] = b"api.example:8080"
    trace = Tracing(0.0).trace_of(asked, "http")
    assert (trace.host, trace.scheme) == (b"api.example:8080", "http")


@pytest.mark.parametrize("parents", [[], [GOOD]])
def test_a_request_without_a_host_has_a_trace_without_one(parents: list[bytes]) -> None:
    assert Tracing(0.0).trace_of(head(parents), "http").host == b""


@pytest.mark.parametrize("more", [b"-", b"-x", b"-00"])
def test_what_a_later_version_has_behind_its_flags_is_not_continued(more: bytes) -> None:
    trace = Tracing(0.0).trace_of(head([b"01" + GOOD[2:] + more]), "http")
    assert (trace.parent[:36], trace.parent[52:]) == (b"00-" + TRACE + b"-", b"-01")


@pytest.mark.parametrize(("sample", "sampled"), [(0.0, 0), (1.0, 2000), (0.5, 1000), (0.999, 1998), (0.003, 6)])
def test_a_share_of_the_traces_that_begin_here_is_sampled(sample: float, sampled: int) -> None:
    tracing = Tracing(sample)
    found = [tracing.begin() for _ in range(2000)]
    assert abs(sum(trace.sampled for trace in found) - sampled) <= (200 if 0 < sample < 1 else 0)
    assert all(trace.sampled == (int(trace.trace_id[18:], 16) >= (1 - sample) * 2**56) for trace in found)


@pytest.mark.parametrize("sample", [0.0, 0.3, 1.0])
def test_new_traces_have_ids_of_their_own_and_lines_that_say_whether_they_are_sampled(sample: float) -> None:
    found = list(islice(Tracing(sample).new, 1000))
    assert len({trace_id for trace_id, _, _ in found}) == 1000
    for trace_id, line, sampled in found:
        name, _, parent = line.partition(b": ")
        assert (name, parent[3:35].decode(), parent[-4:]) == (b"traceparent", trace_id, b"%02d\r\n" % sampled)
        assert FORM.fullmatch(parent[:-2])


@pytest.mark.parametrize(
    ("parent", "without_a_collector", "with_one"),
    [(b"", False, False), (GOOD[:-2] + b"00", True, False), (GOOD, True, True)],
)
def test_without_a_collector_a_clients_trace_is_recorded_and_with_one_what_is_sampled(
    parent: bytes, without_a_collector: bool, with_one: bool
) -> None:
    trace = NO_TRACE._replace(parent=parent)
    assert (is_recorded(trace, None), is_recorded(trace, Tracing(0.5))) == (without_a_collector, with_one)
