"""The lines: what stands in one, that nothing breaks it, and that a reader can't hold up the gateway."""

import asyncio
import errno
import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from talaria.adapters.telemetry.access_log import AccessLog
from talaria.adapters.telemetry.recorder import EventBus
from talaria.domain.events import (
    Attempt,
    ExchangeFinished,
    FlowLabels,
    RequestContext,
    RequestFinished,
    RequestForwarded,
)
from talaria.testing.contracts.recorder import RecorderContract

NOON = 1_795_003_200_123_456_789


class Loop:
    """Keeps what is to be called later, and in how many seconds."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.seconds: list[float] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append(call)
        self.seconds.append(seconds)


class Sink:
    """A descriptor that takes what it is told to; the poll behind it is /dev/null's."""

    def __init__(self) -> None:
        self.taken = b""
        self.pieces: list[int] = []
        self.error: OSError | None = None
        self.at_most: int | None = None

    def write(self, descriptor: int, data: bytes) -> int:
        if self.error is not None:
            raise self.error
        taken = data[: self.at_most]
        self.taken += taken
        self.pieces.append(len(taken))
        return len(taken)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def log(loop: Loop, sink: Sink) -> Any:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield AccessLog(descriptor, clock=lambda: NOON, call_later=loop.call_later, write=sink.write)
    os.close(descriptor)


def ended(context: RequestContext | None = None, status: int = 200, **fields: Any) -> RequestFinished:
    values: dict[str, Any] = {"reason": "", "origin": "", "bytes_in": 0, "bytes_out": 735, "seconds": 0.0017}
    return RequestFinished(context or RequestContext("r-1", tag="wind"), "GET", status, **(values | fields))


LABELS = FlowLabels("wind", "wind", "services", "app", "")
FORWARDED = RequestForwarded(LABELS, "r-2", "", "GET", 200, 0, 2, 0.01, 0.01, 1.0, "http://a")


def lines(sink: Sink) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.taken.decode().splitlines()]


def test_a_line_can_be_text_for_people(sink: Sink) -> None:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    log = AccessLog(descriptor, call_later=Loop().call_later, write=sink.write, as_text=True)
    log.record(ended())
    log.record_forwarded([FORWARDED])
    os.close(descriptor)
    for number in (b"1", b"2"):
        assert b"  INFO     request request_id=r-%b tag=wind method=GET" % number in sink.taken


def test_a_line_holds_the_request_in_this_order(log: AccessLog, sink: Sink) -> None:
    attempts = [Attempt(name, 1.0, 0.01, "ok") for name in ("personal", "personal", "wind", "talaria-services")]
    context = RequestContext("r-1", "t-1", "wind", "app", "body", "miss", True, 0.00125, attempts)
    context.person, context.partner = "0123456789ab", "wind"
    log.record(ended(context, 503, reason="x", origin="upstream", bytes_in=3, cause="503"))
    log.flush()
    assert list(lines(sink)[0].items()) == [
        ("time", "2026-11-18T12:00:00.123Z"),
        ("level", "warning"),
        ("event", "request"),
        ("request_id", "r-1"),
        ("trace_id", "t-1"),
        ("tag", "wind"),
        ("method", "GET"),
        ("status", 503),
        ("reason", "x"),
        ("origin", "upstream"),
        ("caller", "app"),
        ("exchange", "miss"),
        ("attempts", 4),
        ("bytes_in", 3),
        ("bytes_out", 735),
        ("total_ms", 1.7),
        ("upstream_ms", 1.25),
        ("worker", 0),
        ("retries", 1),
        ("healed", True),
        ("cause", "503"),
        ("person", "0123456789ab"),
        ("personal_ms", 20.0),
        ("partner_ms", 10.0),
    ]


def test_retries_healing_and_cause_are_named_only_where_there_are_any(log: AccessLog, sink: Sink) -> None:
    log.record(ended())
    log.flush()
    assert not {"retries", "healed", "cause", "person"} & lines(sink)[0].keys()


@pytest.mark.parametrize(
    ("status", "origin", "reason", "level"),
    [
        (200, "", "", "info"),
        (404, "upstream", "", "info"),
        (499, "client", "client-gone", "info"),
        (502, "partner", "partner-timeout", "warning"),
        (500, "upstream", "", "warning"),
        (500, "gateway", "internal-error", "error"),
        (200, "upstream", "upstream-unreachable", "warning"),
        (200, "gateway", "draining", "error"),
    ],
)
def test_the_level_follows_from_status_and_origin(
    log: AccessLog, sink: Sink, status: int, origin: str, reason: str, level: str
) -> None:
    log.record(ended(status=status, origin=origin, reason=reason))
    log.flush()
    assert lines(sink)[0]["level"] == level


def test_other_events_pass(log: AccessLog, sink: Sink, loop: Loop) -> None:
    log.record(ExchangeFinished("wind", "hit"))
    log.flush()
    assert sink.taken == b""
    assert loop.calls == []


def test_one_flush_is_asked_for_many_lines(log: AccessLog, sink: Sink, loop: Loop) -> None:
    for _ in range(100):
        log.record(ended())
    assert sink.taken == b""
    assert len(loop.calls) == 1
    loop.calls.pop()()
    assert len(lines(sink)) == 100
    assert max(sink.pieces) <= 4096
    assert len(sink.pieces) < 15


@pytest.mark.parametrize("error", [None, OSError(errno.ENOSPC, "No space left on device")])
def test_one_flush_is_asked_for_however_much_waits(
    log: AccessLog, sink: Sink, loop: Loop, error: OSError | None
) -> None:
    sink.error, sink.at_most = error, 0
    for _ in range(5):
        log.record(ended())
        log.record_forwarded([FORWARDED])
        log.flush()
        assert len(loop.calls) == 1
    loop.calls.pop()()
    assert len(loop.calls) == 1
    sink.error = sink.at_most = None
    loop.calls.pop()()
    assert (len(lines(sink)), loop.calls) == (10, [])


def test_a_great_many_lines_do_not_wait(log: AccessLog, sink: Sink) -> None:
    for _ in range(400):
        log.record(ended())
    assert len(lines(sink)) > 100


def test_a_great_many_lines_that_are_not_taken_are_offered_once(log: AccessLog, sink: Sink) -> None:
    sink.at_most = 0
    for _ in range(1000):
        log.record(ended())
    assert sink.pieces == [0]


@pytest.mark.parametrize(("given", "said"), [(200, 200), (5000, 128)])
def test_the_values_of_a_long_line_are_cut(log: AccessLog, sink: Sink, given: int, said: int) -> None:
    log.record(ended(cause="x" * given))
    log.flush()
    assert lines(sink)[0]["cause"] == "x" * said


def test_each_of_many_lines_says_when_its_request_ended(log: AccessLog, sink: Sink) -> None:
    log.record_forwarded([FORWARDED._replace(at=at) for at in (1.0, 1.0, 0.002, 3.5)])
    times = [line["time"].removeprefix("1970-01-01T00:00:0") for line in lines(sink)]
    assert times == ["1.000Z", "1.000Z", "0.002Z", "3.500Z"]


@given(text=st.text(max_size=40), long=st.integers(0, 5000))
def test_no_value_breaks_the_line(text: str, long: int) -> None:
    sink, descriptor = Sink(), os.open(os.devnull, os.O_WRONLY)
    log = AccessLog(descriptor, clock=lambda: NOON, call_later=Loop().call_later, write=sink.write)
    log.record(ended(RequestContext(text, tag="\ud800" + text, caller="x" * long), cause=text + "\r\n\x00\x1b"))
    log.close()
    os.close(descriptor)
    (line,) = sink.taken.splitlines()
    assert json.loads(line)["event"] == "request"
    assert len(line) < 4096
    assert not re.search(rb"[\x00-\x1f]", line)


def test_a_slow_reader_is_not_waited_for(sink: Sink, loop: Loop) -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    os.write(writes, b"x" * 65_536)
    full = AccessLog(writes, call_later=loop.call_later, write=sink.write)
    full.record(ended())
    full.flush()
    assert sink.pieces == []
    os.read(reads, 65_536)
    loop.calls.pop()()
    assert len(lines(sink)) == 1
    os.close(reads)
    os.close(writes)


def test_a_piece_taken_in_part_is_continued(log: AccessLog, sink: Sink) -> None:
    sink.at_most = 100
    for _ in range(5):
        log.record(ended())
    log.flush()
    assert len(lines(sink)) == 5


def test_what_does_not_fit_is_dropped_and_said(sink: Sink, loop: Loop) -> None:
    with open(os.devnull, "wb") as nowhere:
        log = AccessLog(
            nowhere.fileno(), clock=lambda: NOON, call_later=loop.call_later, write=sink.write, buffer_limit=1000
        )
        for _ in range(10):
            log.record(ended())
        log.flush()
        log.flush()
    said = lines(sink)
    kept = [line for line in said if line["event"] == "request"]
    assert 0 < len(kept) < 10
    assert said[-1] == {
        "time": "2026-11-18T12:00:00.123Z",
        "level": "warning",
        "event": "lines-dropped",
        "count": 10 - len(kept),
    }


def test_a_reader_that_is_gone_ends_the_writing_only(
    log: AccessLog, sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.error = BrokenPipeError(32, "Broken pipe")
    log.record(ended())
    log.flush()
    sink.error = None
    log.record(ended())
    log.record_forwarded([FORWARDED, FORWARDED])
    log.flush()
    assert sink.taken == b""
    assert log.state() == (0, 4)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.messages == ["access lines have no reader any more and end here: Broken pipe"]


def test_a_full_disk_is_waited_out(log: AccessLog, sink: Sink, loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sink.error = OSError(errno.ENOSPC, "No space left on device")
    for _ in range(3):
        log.record(ended())
        log.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "access lines can't be written now, and wait: No space left on device"
    ]
    sink.error, sink.at_most = None, 0
    loop.calls[-1]()
    assert caplog.messages[1:] == []
    sink.at_most = None
    loop.calls[-1]()
    log.record(ended())
    loop.calls[-1]()
    assert len(lines(sink)) == 4
    assert caplog.messages[1:] == ["access lines are written again"]
    assert loop.seconds == [0.02, 1.0, 0.02]


def test_the_end_does_not_wait_for_a_full_disk(mocker: MockerFixture, loop: Loop) -> None:
    write = mocker.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    with open(os.devnull, "wb") as sink:
        log = AccessLog(sink.fileno(), call_later=loop.call_later, write=write)
        log.record(ended())
        log.close()
    assert write.call_count == 1


def test_a_closed_pipe_is_noticed(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    log = AccessLog(writes, call_later=loop.call_later)
    log.record(ended())
    log.flush()
    log.close()
    os.close(writes)
    assert len(caplog.records) == 1


def test_closing_writes_what_waits(log: AccessLog, sink: Sink) -> None:
    log.record(ended())
    log.close()
    assert len(lines(sink)) == 1


def test_closing_waits_for_a_reader_that_is_slow_and_not_for_one_that_does_not_read(loop: Loop) -> None:
    room, taken = [0, 10**6], []

    def write(descriptor: int, data: bytes) -> int:
        taken.append(data[: room.pop(0) if room else 0])
        return len(taken[-1])

    with open(os.devnull, "wb") as nowhere:
        log = AccessLog(nowhere.fileno(), call_later=loop.call_later, write=write)
        for left in (False, True):
            log.record(ended())
            log.close(seconds=0.01 if left else 60)
            assert (log.state()[0] > 0) == left
    assert len(loop.calls) == 1
    assert b"".join(taken).count(b"\n") == 1


async def test_the_running_loop_flushes(sink: Sink) -> None:
    reads, writes = os.pipe()
    log = AccessLog(writes)
    log.record(ended())
    arrived = asyncio.Event()
    asyncio.get_running_loop().add_reader(reads, arrived.set)
    await asyncio.wait_for(arrived.wait(), 5)
    asyncio.get_running_loop().remove_reader(reads)
    assert json.loads(os.read(reads, 4096))["request_id"] == "r-1"
    os.close(reads)
    os.close(writes)


class TestAccessLog(RecorderContract):
    def recorder(self) -> EventBus:
        log = AccessLog(os.open(os.devnull, os.O_WRONLY), call_later=Loop().call_later)
        return EventBus({RequestFinished: [log.record], RequestForwarded: [log.record_forwarded]})
