"""The lock between processes: what this process sees of it. What others see: tests/integration."""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from talaria.adapters.record_lock import RecordLock


@contextmanager
def held_elsewhere(name: str) -> Iterator[None]:
    """As by another process: the file, opened once more, with a lock of that opening."""
    files = Path("/proc/self/fd")
    path = next(one for one in files.iterdir() if one.exists() and str(one.readlink()).startswith(f"/memfd:{name} "))
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        yield
    finally:
        os.close(descriptor)


def test_it_is_had_and_let_go_and_had_again() -> None:
    lock = RecordLock("mine")
    for _ in range(3):
        assert lock.acquire()
        lock.release()


def test_a_wait_for_a_holder_that_never_lets_go_ends_and_is_not_repeated() -> None:
    lock = RecordLock("for-ever", patience=0.01)
    with held_elsewhere("for-ever"):
        assert not lock.acquire()
        assert [lock.acquire() for _ in range(1000)] == [False] * 1000  # else: ten seconds
    assert lock.acquire()
    lock.release()
