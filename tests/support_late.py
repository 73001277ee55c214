"""Times that tests bound. What another process of the machine delays is late too, so a late result is measured again.

Only a `Late` is: every other failure counts at once. Each repetition is shown in pytest's summary.
"""

import os
from collections.abc import Awaitable, Callable

AGAIN = 2


class Late(AssertionError):
    """More time went by than is allowed."""


REPETITIONS: list[str] = []
"""What was measured again so far: the test, and what was late."""


def within(limit: float, seconds: float) -> None:
    """Raises Late where `seconds` are more than `limit`."""
    if seconds > limit:
        raise Late(f"{seconds:.3f} s, and not within {limit:.3f} s")


async def again_if_late(measure: Callable[[], Awaitable[None]]) -> None:
    """Run `measure`; where all that fails in it is Late, run it again, AGAIN times at most."""
    for left in reversed(range(AGAIN + 1)):
        late: BaseException | None = None
        try:
            await measure()
        except* Late as found:
            late = found
        if late is None:
            return
        if not left:
            raise late
        REPETITIONS.append(f"{os.environ.get('PYTEST_CURRENT_TEST', 'a test')}: {_first(late)}")


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
