"""Descriptors that take nothing."""

import os
from contextlib import suppress


def fill(descriptor: int) -> int:
    """Write until it takes no more; how many bytes it took. It is blocking afterwards."""
    os.set_blocking(descriptor, False)
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += os.write(descriptor, b"x" * 4096)
    os.set_blocking(descriptor, True)
    return filled
