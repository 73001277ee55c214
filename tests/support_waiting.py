"""Waits for a condition that nothing announces: a file that grows, a count, a gauge of another process."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

PATIENCE = "60s"
"""What a hop may take in a gateway under test where the test is not about time: clients, gateway and services are one
process, and the machine may be busy.
"""
PATIENT: Mapping[str, Any] = {
    "personal": {"timeout": PATIENCE},
    "partners": {"wind": {"timeout": PATIENCE}},
    "upstreams": {"talaria-services": {"connect_timeout": PATIENCE}},
    "routes": {"wind": {"timeout": PATIENCE}},
}
"""The configuration of a sandbox that has it."""

PACE = 0.01


async def until(
    holds: Callable[[], bool | Awaitable[bool]], seconds: float = 15.0, not_yet: tuple[type[Exception], ...] = ()
) -> None:
    """Returns once `holds()` is true. Raises TimeoutError, naming the condition, where it is not within `seconds`.

    `not_yet`: what is raised as long as what is asked is not there.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await _value(holds, not_yet):
                await asyncio.sleep(PACE)  # nothing announces it
    except TimeoutError:
        raise TimeoutError(f"not within {seconds} s: {inspect.getsource(holds).strip()}") from None


async def _value(holds: Callable[[], bool | Awaitable[bool]], not_yet: tuple[type[Exception], ...]) -> bool:
    try:
        value = holds()
        return value if isinstance(value, bool) else await value
    except not_yet:
        return False
