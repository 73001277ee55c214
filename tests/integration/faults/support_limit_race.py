"""Processes that count by one rate limit as fast as they can: `python -m ... <processes> <kills>`.

It prints how many requests were admitted, as far as the processes lived to say so, and ends once the limit is used up.
Meanwhile so many are killed, in whatever they do, and replaced.
"""

import os
import signal
import sys
import time
from itertools import cycle, islice
from mmap import mmap

from talaria.adapters.record_lock import RecordLock
from talaria.domain.rate_limits import RateLimit, RateLimiter
from talaria.entrypoints.runtime.rate_limiters import RateLimiters

BURST = 50_000


class Race:
    """Each process that ever runs has a place of its own in `admitted`."""

    def __init__(self, processes: int, kills: int) -> None:
        limiter = RateLimiters(RecordLock("race")).named("limit", RateLimit(1 / 3600, BURST))
        assert limiter is not None
        self.limiter: RateLimiter = limiter
        self.admitted: memoryview[int] = memoryview(mmap(-1, 8 * (processes + kills))).cast("Q")
        self.off = mmap(-1, 1)
        self.begun = 0
        self.running = [self.start() for _ in range(processes)]
        self.off[0] = True

    def start(self) -> int:
        """Fork one that counts until it is refused. Gives its pid."""
        place = self.begun
        self.begun += 1
        pid = os.fork()
        if not pid:
            while not self.off[0]:
                os.sched_yield()
            while self.limiter.take("key", time.monotonic()) == 0.0:
                self.admitted[place] += 1
            os._exit(0)
        return pid

    def kill(self, place: int) -> None:
        """Kill one, and start another."""
        os.kill(self.running[place], signal.SIGKILL)
        os.waitpid(self.running[place], 0)
        self.running[place] = self.start()

    def run(self, kills: int) -> int:
        """How many were admitted."""
        for number, place in enumerate(islice(cycle(range(len(self.running))), kills)):
            while sum(self.admitted) < number * BURST // (2 * kills):
                os.sched_yield()
            self.kill(place)
        for pid in self.running:
            os.waitpid(pid, 0)
        return sum(self.admitted)


def stopped() -> list[bool]:
    """Which of four requests are admitted by a limit of one: two while the holder of the lock is stopped."""
    lock = RecordLock("stopped")
    limiter = RateLimiters(lock).named("limit", RateLimit(1 / 3600, 1))
    assert limiter is not None
    pid = os.fork()
    if not pid:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    admitted = [limiter.take("key", time.monotonic()) == 0.0 for _ in range(2)]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return admitted + [limiter.take("key", time.monotonic()) == 0.0 for _ in range(2)]


def main(processes: int, kills: int) -> int:
    """The race."""
    return Race(processes, kills).run(kills)


if __name__ == "__main__":
    print(main(*map(int, sys.argv[1:])) if sys.argv[1:] else stopped())
