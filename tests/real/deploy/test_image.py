"""The image: built as `make image` does it, and run with nothing but what it needs."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from talaria import __version__
from talaria.sandbox.stack import Sandbox, running_sandbox
from tests.real.deploy.support_deploy import ROOT
from tests.real.support_programs import program
from tests.real.support_running import Program, output_of, running

pytestmark = pytest.mark.built
IMAGE = f"localhost/talaria-proxy:{__version__}"
USER = 65532
BUILDING = 540.0
LEAST = [
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    # What a machine without CAP_SYS_RESOURCE may give, and enough for the gateway.
    "--ulimit=nofile=1024:4096",
    "--ulimit=nproc=4096:4096",
]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """The services, and a folder with the configuration that the image's user may read."""
    async with running_sandbox(gateway=False, folder=tmp_path / "sandbox") as services:
        copied = shutil.copytree(tmp_path / "sandbox", tmp_path / "etc")
        for path in [copied, *copied.rglob("*")]:
            os.chown(path, USER, USER)
        yield services


async def answers(container: Program, url: str) -> httpx.Response:
    """The first answer from there. Fails where the container ends first."""
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:
            assert container.process.returncode is None, container.last_words()
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)  # a port tells nothing when it opens


@pytest.mark.timeout(BUILDING + 60)
async def test_it_is_built_and_serves_with_the_least_rights(sandbox: Sandbox, tmp_path: Path) -> None:
    podman = program("podman")
    environ = f"BASE={os.environ.get('BASE', 'debian')}"
    await output_of("env", environ, ROOT / "deploy" / "image.sh", folder=ROOT, timeout=BUILDING)
    (built,) = json.loads(await output_of(podman, "image", "inspect", IMAGE, folder=tmp_path))
    assert built["User"] == f"{USER}:{USER}"

    name = f"talaria-{os.getpid()}"
    addresses = {"LISTEN": sandbox.public_url, "OPS_LISTEN": sandbox.ops_url}
    variables = [f"--env=TALARIA__SERVER__{key}={url.removeprefix('http://')}" for key, url in addresses.items()]
    mounted = f"--volume={tmp_path / 'etc'}:/etc/talaria:ro"
    arguments = ["run", "--rm", "--name", name, "--network=host", *LEAST, *variables, mounted, IMAGE]
    async with running("container", podman, *arguments, folder=tmp_path) as container:
        assert (await answers(container, f"{sandbox.ops_url}/livez")).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{sandbox.public_url}/echo", headers=sandbox.headers())
        assert answer.status_code == 200
        await output_of(podman, "stop", "--time=20", name, folder=tmp_path)
        assert await container.process.wait() == 0, container.last_words()
