"""A gateway of one process, as operators see it."""

import logging
from typing import Any

import pytest

from talaria.entrypoints.ops.admin import LocalAdmin


async def test_a_gateway_without_a_file_says_in_a_line_why_it_does_not_reload(caplog: pytest.LogCaptureFixture) -> None:
    unused: Any = None
    admin = LocalAdmin(unused, unused, unused, dict, unused)
    with caplog.at_level(logging.WARNING, logger="talaria"):
        assert await admin.reload() == 0
    assert caplog.messages == ["there is nothing to reload: this gateway reads no configuration file"]
