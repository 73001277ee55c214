"""What must not grow: memory, tasks and descriptors of this process."""

import asyncio
import ctypes
import gc
import os
from dataclasses import dataclass
from pathlib import Path

SETTLING = 10.0
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Vitals:
    """Of one quiet moment. `memory` in bytes, resident."""

    memory: int
    tasks: int
    descriptors: int

    def grown(self, before: "Vitals") -> list[str]:
        """What has, by more than a quiet moment differs from the next: in words."""
        more = [
            f"memory: {before.memory / MIB:.0f} MiB, then {self.memory / MIB:.0f} MiB"
            if self.memory > 1.1 * before.memory + 4 * MIB
            else "",
            f"tasks: {before.tasks}, then {self.tasks}" if self.tasks > before.tasks + 4 else "",
            f"descriptors: {before.descriptors}, then {self.descriptors}"
            if self.descriptors > before.descriptors + 8
            else "",
        ]
        return [words for words in more if words]


async def vitals() -> Vitals:
    """Those of now, once what ends has ended."""
    loop = asyncio.get_running_loop()
    until, last = loop.time() + SETTLING, None
    while loop.time() < until:
        now = (len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")))
        if now == last:
            break
        last = now
        await asyncio.sleep(0.2)  # ends come in their own time; twice the same is quiet enough
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # what the allocator keeps for later is in no use
        trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Vitals(pages * os.sysconf("SC_PAGE_SIZE"), len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")))
