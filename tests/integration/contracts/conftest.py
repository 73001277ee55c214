"""The gateway among the simulated services that the documents are held against."""

from collections.abc import AsyncIterator

import pytest_asyncio

from talaria.sandbox.stack import Sandbox, running_sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with running_sandbox() as running:
        yield running
