"""The simulated services, running, without a gateway among them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from talaria.sandbox.stack import Sandbox, running_sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox(gateway=False) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened
