"""The command line as a process that listens."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("closed", [">&- 2>&-", ">&- 2>&- <&-", ">&-"])
def test_a_gateway_starts_with_closed_standard_descriptors(closed: str) -> None:
    """No socket becomes one of them, and what is printed goes nowhere."""
    arguments = [sys.executable, "-m", "talaria", "sandbox", "--once", "--port", "0"]
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *arguments]
    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL, timeout=60).returncode == 0  # noqa: S603
