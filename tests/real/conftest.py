"""For tests among real programs: a gateway process among simulated services, on the event loop of production."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.integration.conftest import pytest_runtest_teardown  # noqa: F401 - a hang ends here too
from tests.real.support_gateway_process import GatewayProcess, gateway_process


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop by its name."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    async with gateway_process(tmp_path) as running:
        yield running
