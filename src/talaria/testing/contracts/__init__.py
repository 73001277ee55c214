"""The tests that every version of a port must pass.

A contract is a class of tests without a harness. A test file derives from it and gives what it asks for:

    class TestMemoryIdentityCache(IdentityCacheContract):
        def cache(self, max_entries: int) -> IdentityCache:
            return MemoryIdentityCache(max_entries)

Unit tests run the contracts on the versions in memory and on the real ones that need no socket, integration tests on
the real adapters over real sockets. They need no test library, only a runner that awaits `async def test_...`.
"""

import contextlib
from collections.abc import Iterator


class Caught:
    """What a block raised. `error` is there once the block is over."""

    error: BaseException

    def __str__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


@contextlib.contextmanager
def raised(expected: type[BaseException]) -> Iterator[Caught]:
    """The block must raise exactly `expected`, no subclass and nothing else."""
    caught = Caught()
    try:
        yield caught
    except BaseException as error:
        caught.error = error
        if type(error) is not expected:
            raise
    else:
        raise AssertionError(f"{expected.__name__} was not raised")
