"""The clients and services of the attacks on the event loop that production runs on."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop by its name. One that writes at once is needed where the order of two writes decides."""
    if item.get_closest_marker("writes_at_once"):
        return {"asyncio": asyncio.SelectorEventLoop}
    return {"uvloop": uvloop.new_event_loop}
