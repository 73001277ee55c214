"""The relay itself: whatever moment it is closed in, every socket that it accepted is closed."""

import asyncio
import gc
import socket
import warnings
from urllib.parse import urlsplit

import pytest

from tests.integration.faults.support_relay import relay


@pytest.mark.parametrize("passes", range(6))
async def test_nothing_is_left_open(passes: int) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with relay() as running:
            running.target = "http://127.0.0.1:1"
            with socket.create_connection(("127.0.0.1", urlsplit(running.url).port)):
                pass
            for _ in range(passes):
                await asyncio.sleep(0)
        gc.collect()
    assert [str(one.message) for one in caught] == []
