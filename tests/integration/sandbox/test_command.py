"""`talaria sandbox` and `talaria token` as a developer runs them."""

import asyncio
import os
import pty
import re
import shlex
import signal
import socket
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx

from talaria.sandbox.stack import DEFAULT_PORT
from tests.support_printed import note_printed

TALARIA = [sys.executable, "-m", "talaria"]


@asynccontextmanager
async def started(*arguments: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *TALARIA, *arguments, stdout=pipe, stderr=pipe, env={**os.environ, **environ}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ran(*arguments: str) -> tuple[int | None, str, str]:
    async with started(*arguments) as process:
        out, err = await process.communicate()
        if arguments[0] != "token":  # its output is a token
            note_printed(out.decode() + err.decode())
        return process.returncode, out.decode(), err.decode()


async def until_serving(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    shown = (await asyncio.wait_for(process.stdout.readuntil(b"Serving until Ctrl-C"), 30)).decode()
    note_printed(shown)
    return shown


async def run_curl(line: str) -> httpx.Response:
    """What the pasted line asks for. The words are those of a shell."""
    words = shlex.split(line)
    headers = [tuple(words[i + 1].split(": ", 1)) for i, word in enumerate(words) if word == "-H"]
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(words[-1], headers=[(name, value) for name, value in headers])


def listen_of(config: str) -> str:
    return str(tomllib.loads(Path(config).read_text())["server"]["listen"])


async def test_once_shows_the_demo_and_exits() -> None:
    status, out, err = await ran("sandbox", "--once", "--port", "0")
    assert (status, err) == (0, "")
    assert "identity cache miss" in out
    assert "identity cache hit" in out
    assert "refused: 401 missing-token" in out
    assert "http://" not in out, "what is printed is closed by now"
    assert "\x1b" not in out
    assert '"event"' not in out


async def test_its_curl_lines_do_what_it_says_and_ctrl_c_ends_it() -> None:
    async with started("sandbox", "--port", "0", COLUMNS="80") as process:
        shown = await until_serving(process)
        works, refused = (line for line in shown.splitlines() if line.startswith("curl "))
        assert (await run_curl(works)).json()["user_id"] == "wind-user-anna"
        answer = await run_curl(refused)
        assert f"{answer.status_code} {answer.json()['reason']}" in shown
        process.send_signal(signal.SIGINT)
        rest, err = await asyncio.wait_for(process.communicate(), 15)
    note_printed(rest.decode())
    assert (process.returncode, err) == (0, b"")
    assert rest.count(b'"event":"request"') == 2
    assert [line for line in shown.splitlines() if len(line) > 80 and not line.startswith("curl ")] == []


async def test_on_a_terminal_its_access_lines_are_text() -> None:
    controller, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(*TALARIA, "sandbox", "--port", "0", stdout=terminal)
    os.close(terminal)

    async def until(printed: str, form: str) -> re.Match[str]:
        async with asyncio.timeout(30):
            while (found := re.search(form, printed)) is None:
                printed += (await asyncio.to_thread(os.read, controller, 65_536)).decode()
        return found

    try:
        address = (await until("", r"(?s)'(http://[^']+)'.*Serving until Ctrl-C"))[1]
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(address)
        await until("", r"INFO +request request_id=\w+ .*reason=missing-api-tag")
    finally:
        process.terminate()
        await process.wait()
        os.close(controller)


async def test_a_taken_port_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        status, out, err = await ran("sandbox", "--port", str(port - 2))
    assert (status, out) == (1, "")
    assert any(f"127.0.0.1:{taken}" in err for taken in range(port - 2, port + 1))  # its neighbours may be, too
    assert "--port 0" in err
    assert "Traceback" not in err


async def test_without_a_port_the_next_free_row_is_taken() -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # another process has it already
            stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_PORT)))
        async with started("sandbox") as process:
            shown = await until_serving(process)
    assert shown.startswith(f"Port {DEFAULT_PORT} or one of its row is taken")
    works = next(line for line in shown.splitlines() if line.startswith("curl "))
    assert f":{DEFAULT_PORT}/" not in works


async def test_a_terminal_that_is_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / "\u043f\u0430\u043f\u043a\u0430"
    async with started("sandbox", "--port", "0", "--keep", str(folder), PYTHONIOENCODING="latin-1") as process:
        shown = await until_serving(process)
    assert "talaria serve --config" in shown
    assert "\\u043f" in shown


async def test_only_loopback() -> None:
    status, _, err = await ran("sandbox", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert status == 1
    assert "loopback only" in err


async def test_a_kept_folder_and_a_gateway_of_ones_own(tmp_path: Path) -> None:
    async with started("sandbox", "--no-gateway", "--port", "0", "--keep", str(tmp_path)) as simulated:
        shown = await until_serving(simulated)
        config = str(tmp_path / "talaria.toml")
        assert f"talaria serve --config {config}" in shown
        async with started("serve", "--config", config) as gateway:
            assert gateway.stdout is not None
            await asyncio.wait_for(gateway.stdout.readuntil(b"serving"), 30)
            status, token, _ = await ran("token", "--config", config, "ppid-boris")
            assert status == 0
            headers = {"x-api-tag": "wind", "authorization": f"Bearer {token.strip()}"}
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"http://{listen_of(config)}/v1/scooters/nearby", headers=headers)
            assert answer.json()["user_id"] == "wind-user-boris"
