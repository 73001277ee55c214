"""Simulated services of our own, and a gateway among them; on the event loop that production runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.integration.gateway.support_gateway import Gateway, Town, gateway_in, town_at


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop by its name."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with town_at(tmp_path) as running:
        yield running


@pytest.fixture
async def gateway(town: Town) -> AsyncIterator[Gateway]:
    async with gateway_in(town) as running:
        yield running
