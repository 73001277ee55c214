"""Simulated services of our own, and a gateway among them; on the event loop that production runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.integration.gateway.support_gateway import PATHS, Gateway, Town, gateway_in, town_at


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop by its name."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One behaviour, whichever path a request takes. EACH_PATH names the tests of a module that the fast path serves:
    their requests and responses are plain.
    """
    if "gateway" in metafunc.fixturenames and hasattr(metafunc.module, "EACH_PATH"):
        assert all(hasattr(metafunc.module, name) for name in metafunc.module.EACH_PATH)
        metafunc.parametrize("gateway", PATHS, indirect=True)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with town_at(tmp_path) as running:
        yield running


@pytest.fixture
async def gateway(town: Town, request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    """In a module with EACH_PATH, by each of PATHS in turn."""
    path = getattr(request, "param", "")
    async with gateway_in(town, {"server": {"fast_path": path != "fast path off"}} if path else None) as running:
        running.asks_before = path == "asked before"
        yield running
    if path == "asked before" and request.function.__name__ in request.module.EACH_PATH:
        assert running.recorder.fast, "no request took the fast path"
    elif path == "fast path off":
        assert not running.recorder.fast
