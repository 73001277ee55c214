"""The simulated services, running, without a gateway among them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from talaria.sandbox.world import World, sandbox_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with sandbox_world(gateway=False) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened
