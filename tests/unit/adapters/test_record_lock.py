"""The lock between processes, as one of them sees it. Several: tests/integration/faults/test_workers_limits.py."""

import fcntl
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from talaria.adapters.record_lock import PATIENCE, RecordLock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="another opening is found below /proc")

STEP = PATIENCE / 4


class Elsewhere:
    """As another process: the lock's file, opened once more, with locks that belong to that opening."""

    def __init__(self, name: str) -> None:
        files = (file for file in Path("/proc/self/fd").iterdir() if file.exists())
        path = next(file for file in files if name in file.readlink().name)
        self._descriptor = os.open(path, os.O_RDWR)

    def acquire(self) -> None:
        """Have the lock. Raises BlockingIOError."""
        self._lock(fcntl.F_WRLCK)

    def release(self) -> None:
        """Let it go."""
        self._lock(fcntl.F_UNLCK)

    def _lock(self, kind: int) -> None:
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))


class Clock:
    """Time goes on by one step each time that it is asked. `then`: happens at the next question but so many."""

    def __init__(self) -> None:
        self.asked = 0
        self.then: tuple[int, Callable[[], object]] = -1, lambda: None

    def now(self) -> float:
        """Seconds."""
        self.asked += 1
        if self.asked == self.then[0]:
            self.then[1]()
        return self.asked * STEP


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_it_is_had_and_let_go_and_had_again_and_no_file_stays(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock = RecordLock(f"on-{platform}")
    elsewhere = Elsewhere(f"on-{platform}")
    assert not any(tmp_path.iterdir())
    for _ in range(3):
        assert lock.acquire()
        with pytest.raises(BlockingIOError):
            elsewhere.acquire()
        lock.release()
        elsewhere.acquire()
        elsewhere.release()


def test_a_holder_that_lets_go_in_time_is_waited_for() -> None:
    clock = Clock()
    lock, elsewhere = RecordLock("in-time", clock.now), Elsewhere("in-time")
    elsewhere.acquire()
    clock.then = 4, elsewhere.release
    assert (lock.acquire(), clock.asked) == (True, 4)


def test_a_wait_in_vain_ends_and_is_not_repeated_until_the_lock_was_had_again() -> None:
    clock = Clock()
    lock, elsewhere = RecordLock("in-vain", clock.now), Elsewhere("in-vain")
    for _ in range(2):
        elsewhere.acquire()
        before = clock.asked
        assert (lock.acquire(), clock.asked - before) == (False, 5)
        assert (lock.acquire(), clock.asked - before) == (False, 7)
        elsewhere.release()
        assert lock.acquire()
        lock.release()
