"""A worker's control socket."""

import asyncio
import logging
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from talaria.entrypoints.ops.admin import Control


async def test_a_client_that_asked_and_left_is_no_error(
    tmp_path: Path, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    asked, left, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    fleet = mocker.Mock()

    async def ready() -> str:
        asked.set()
        await left.wait()
        asyncio.get_running_loop().call_later(0, answered.set)
        return "x"

    fleet.ready = ready
    server = await Control(fleet).listen(tmp_path / "worker.sock")
    _, writer = await asyncio.open_unix_connection(tmp_path / "worker.sock")
    writer.write(b'{"what":"ready"}\n')
    await asyncio.wait_for(asked.wait(), 5)
    writer.close()
    await writer.wait_closed()
    with caplog.at_level(logging.ERROR, "asyncio"):
        left.set()
        await asyncio.wait_for(answered.wait(), 5)
        for _ in range(10):
            await asyncio.sleep(0)
    assert caplog.messages == []
    server.close()
