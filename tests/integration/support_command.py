"""The program as a process that ends."""

import asyncio
import sys


async def talaria(*arguments: str) -> str:
    """What this command prints; it ends with 0."""
    command = (sys.executable, "-m", "talaria", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()
