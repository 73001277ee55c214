"""Has the machine itself stood still? Then what was measured meanwhile says nothing, and is measured again."""

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

BEAT = 0.005
TOLERATED = 0.05
TRIES = 6


class Pulse:
    """Beats in a thread of its own, so that a blocked event loop is not taken for a machine that stands still.

    `lost`: by how many seconds all beats together were late.
    """

    def __init__(self) -> None:
        self.lost = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        before = time.perf_counter()
        while not self._over.wait(BEAT):
            now = time.perf_counter()
            self.lost += max(0.0, now - before - 2 * BEAT)
            before = now

    @contextmanager
    def beating(self) -> Iterator["Pulse"]:
        """Beats while the block runs."""
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()


def waited() -> float:
    """Seconds for which this thread could have run and others did. 0.0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def on_a_running_machine(measure: Callable[[], Awaitable[None]]) -> None:
    """Run `measure`, again where its assertions fail while the machine stood still. Raises the last AssertionError."""
    for left in reversed(range(TRIES)):
        before = waited()
        with Pulse().beating() as pulse:
            try:
                await measure()
                return
            except* AssertionError:
                if not left or pulse.lost + waited() - before < TOLERATED:
                    raise
