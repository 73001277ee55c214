"""Memory of the identity cache alone: `python -m bench.memory COUNT` prints bytes of resident memory for an entry.

Each size is measured in a fresh process, before and after the cache is filled; every key, id and number is an object
of its own, as it is after real exchanges.
"""

import os
import subprocess
import sys
import time

from bench.prefilled import fill
from bench.testbed import ROOT
from talaria.adapters.identity_cache import LruIdentityCache


def resident() -> int:
    """Bytes of resident memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def of_entries(count: int) -> float:
    """Bytes for each of `count` entries, measured in a new process."""
    argv = [sys.executable, "-m", "bench.memory", str(count)]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Fills a cache and prints the bytes for an entry."""
    count = int(sys.argv[1])
    identities = LruIdentityCache(count)
    before = resident()
    fill(identities.put, count, time.monotonic())
    print((resident() - before) / count)


if __name__ == "__main__":
    main()
