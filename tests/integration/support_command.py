"""The program as a process that ends."""

import asyncio
import os
import sys


async def talaria(*arguments: str) -> str:
    """What this command prints; it ends with 0."""
    code, printed = await told(*arguments)
    assert code == 0, printed
    return printed


async def told(*arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code of this command, and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "talaria", *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **variables},
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()
