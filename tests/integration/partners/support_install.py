"""A distribution's wheel in a folder of its own, and programs that find it there as they would in an environment."""

import asyncio
import os
import sys
from pathlib import Path

from tests.support_printed import note_printed

ROOT = Path(__file__).parents[3]


async def run(folder: Path, *command: str, cwd: Path | None = None) -> tuple[int, str]:
    """The exit code and the output of a Python program that has the folder's distributions."""
    environ = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        cwd=cwd or folder,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await program.communicate()
    text = output.decode()
    note_printed(text)
    return program.returncode or 0, text


async def install(source: Path, folder: Path) -> None:
    """Build the wheel of a project and unpack it, with its metadata, into the folder."""
    pip = (
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--no-index",
    )
    folder.mkdir(exist_ok=True)
    code, text = await run(folder, *pip, "--target", str(folder), str(source))
    assert code == 0, text
