"""Lines reach their reader whole and in order, and a reader that does not read is not waited for."""

import errno
import os
import pty
import select
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria.adapters.telemetry.line_writer import LineWriter, make_nonblocking
from tests.unit.adapters.telemetry.support_descriptors import fill

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the files of a process as files")


def lost(count: int) -> bytes:
    return b"lost %d\n" % count


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reads, writes = os.pipe()
    os.set_blocking(reads, False)  # what is not there fails a test, and does not hang it
    yield reads, writes
    os.close(reads)
    os.close(writes)


@given(st.lists(st.integers(1, 9000), max_size=30), st.integers(1, 5000))
def test_lines_come_whole_and_in_order_however_little_is_taken_at_once(lengths: list[int], at_most: int) -> None:
    taken: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        assert len(data) <= select.PIPE_BUF
        taken.append(data[:at_most])
        return len(taken[-1])

    lines = [bytes([65 + number % 26]) * length + b"\n" for number, length in enumerate(lengths)]
    with open(os.devnull, "wb") as nowhere:
        writer = LineWriter(nowhere.fileno(), 1_000_000, lost, write)
        for line in lines:
            writer.add(line)
        assert writer.flush() == sum(map(len, lines))
    assert b"".join(taken) == b"".join(lines)
    assert writer.size == 0


def test_short_lines_are_not_cut_between_two_writes(pipe: tuple[int, int]) -> None:
    pieces: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        pieces.append(data)
        return len(data)

    writer = LineWriter(pipe[1], 1_000_000, lost, write)
    for _ in range(100):
        writer.add(b"x" * 999 + b"\n")
    writer.flush()
    assert {len(piece) for piece in pieces} == {4000}


def test_a_full_pipe_is_not_waited_for(pipe: tuple[int, int]) -> None:
    filled = fill(pipe[1])
    writer = LineWriter(pipe[1], 1000, lost)
    writer.add(b"one\n")
    assert writer.flush() == 0
    os.read(pipe[0], filled)
    assert writer.flush() == 4
    assert os.read(pipe[0], 100) == b"one\n"


def test_what_does_not_fit_is_counted_and_said_once_there_is_room(pipe: tuple[int, int]) -> None:
    filled = fill(pipe[1])
    writer = LineWriter(pipe[1], 10, lost)
    for _ in range(5):
        writer.add(b"four\n")
    writer.flush()
    assert writer.size == 10
    os.read(pipe[0], filled)
    writer.flush()
    writer.flush()
    assert os.read(pipe[0], 100) == b"four\nfour\nlost 3\n"


def test_what_was_lost_is_said_once_half_is_free_and_no_more(pipe: tuple[int, int]) -> None:
    taken: list[bytes] = []
    rooms: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        if not rooms:
            raise BlockingIOError
        taken.append(data[: rooms.pop()])
        return len(taken[-1])

    writer = LineWriter(pipe[1], 100, lost, write)
    writer.add(b"x" * 99 + b"\n" + b"\n")
    for room, left in ((50, 50), (1, 49), (100, 0), (100, 0)):
        rooms.append(room)
        writer.flush()
        assert writer.size == left
    assert taken == [b"x" * 50, b"x", b"x" * 48 + b"\nlost 1\n"]


def test_a_descriptor_that_says_it_is_ready_and_takes_nothing_is_asked_once(pipe: tuple[int, int]) -> None:
    asked: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        asked.append(data)
        raise BlockingIOError

    writer = LineWriter(pipe[1], 1000, lost, write)
    writer.add(b"one\n")
    assert writer.flush() == 0
    assert asked == [b"one\n"]


def test_of_several_lines_those_that_fit_are_taken(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], 12, lost)
    writer.add(b"one\n")
    writer.add(b"two\nthree\nfour\n")
    assert (writer.size, writer.lost) == (8, 2)
    writer.flush()
    writer.flush()
    assert os.read(pipe[0], 100) == b"one\ntwo\nlost 2\n"


def test_a_write_that_fails_loses_nothing(pipe: tuple[int, int]) -> None:
    errors = [OSError(errno.ENOSPC, "No space left on device")]

    def write(descriptor: int, data: bytes) -> int:
        if errors:
            raise errors.pop()
        return os.write(descriptor, data)

    writer = LineWriter(pipe[1], 1000, lost, write)
    writer.add(b"one\n")
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    writer.flush()
    assert os.read(pipe[0], 100) == b"one\n"


def test_what_is_cleared_is_not_written(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], 100, lost)
    writer.add(b"one\n" + b"x" * 100 + b"\n")
    writer.clear()
    assert (writer.size, writer.lost) == (0, 2)
    writer.add(b"two\n")
    writer.flush()
    assert os.read(pipe[0], 100) == b"two\n"
    assert writer.lost == 2


@needs_proc
def test_a_pipe_is_made_our_own_and_other_holders_keep_theirs(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    ours = os.dup(writes)
    descriptors = os.listdir("/proc/self/fd")
    make_nonblocking(ours)
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)
    assert (os.get_blocking(ours), os.get_blocking(writes), os.get_inheritable(ours)) == (False, True, True)
    os.write(ours, b"the same pipe")
    assert os.read(reads, 100) == b"the same pipe"
    os.close(ours)


@needs_proc
def test_a_terminal_that_is_stopped_is_not_waited_for() -> None:
    controller, terminal = pty.openpty()
    make_nonblocking(terminal)
    assert not os.get_blocking(terminal)
    writer = LineWriter(terminal, 1000, lost)
    termios.tcflow(terminal, termios.TCOOFF)  # what Ctrl-S does
    writer.add(b"one\n")
    assert writer.flush() == 0
    termios.tcflow(terminal, termios.TCOON)
    assert writer.flush() == 4
    assert os.read(controller, 100) == b"one\r\n"
    os.close(controller)
    os.close(terminal)


def test_a_file_stays_what_it_is(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        make_nonblocking(log.fileno())
        assert os.get_blocking(log.fileno())
