"""The sandbox is for loopback."""

import pytest

from talaria.sandbox.service import NotLoopback, check_loopback
from talaria.sandbox.stack import running_sandbox


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_is_taken(host: str) -> None:
    check_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "localhost"])  # noqa: S104
async def test_nothing_else_is(host: str) -> None:
    with pytest.raises(NotLoopback):
        async with running_sandbox(host=host, gateway=False):
            pass
