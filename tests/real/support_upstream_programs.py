"""Servers that stand behind the gateway as its upstream, all with the same routes.

| route | answer |
|---|---|
| `/connection` | a name of the TCP connection |
| `/length`, `/chunked` | LARGE, with its length or in chunks |
| `/events/N` | N server-sent events, 200 ms apart |
| `/status/204`, `/status/304` | that, without a body |
| `/gzip` | WORDS, gzipped |
| `/upload` | the size and the SHA-256 of the body, as JSON |
| `/early` | 401 before the body is read |
| `/cut` | no whole answer: the connection ends after the first bytes, or before them |
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tests.real.support_gateway_process import GatewayProcess, gateway_process
from tests.real.support_programs import nginx_module, program
from tests.real.support_running import Program, free_port, running

PROGRAMS = Path(__file__).parent / "programs"
WORDS = b"many words, " * 100
LARGE = (bytes(range(256)) * 20_000)[:5_000_000]

Running = AbstractAsyncContextManager[Program]


def nginx(folder: Path, port: int) -> Running:
    """nginx with its JavaScript module, one process."""
    text = (PROGRAMS / "nginx.conf").read_text()
    for name, value in (("FOLDER", folder), ("PORT", port), ("MODULE", nginx_module("ngx_http_js_module"))):
        text = text.replace(name, str(value))
    (folder / "nginx.conf").write_text(text)
    (folder / "words").write_bytes(WORDS)
    (folder / "large").write_bytes(LARGE)
    shutil.copy(PROGRAMS / "upstream.njs", folder)
    arguments = ["-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return running("nginx", program("nginx"), *arguments, folder=folder, port=port)


def node(folder: Path, port: int) -> Running:
    """Node's own HTTP server."""
    return running("node", program("node"), PROGRAMS / "upstream.mjs", str(port), folder=folder, port=port)


def gunicorn(folder: Path, port: int) -> Running:
    """gunicorn with threads, which keep connections."""
    arguments = ["--chdir", str(PROGRAMS), "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", "8"]
    arguments += ["--keep-alive", "60", "support_wsgi:application"]
    environ = {"PYTHONDONTWRITEBYTECODE": "1"}
    return running("gunicorn", program("gunicorn"), *arguments, folder=folder, port=port, environ=environ)


UPSTREAMS: dict[str, Callable[[Path, int], Running]] = {"nginx": nginx, "node": node, "gunicorn": gunicorn}


@asynccontextmanager
async def gateway_before(name: str, folder: Path) -> AsyncIterator[GatewayProcess]:
    """A gateway with this upstream in place of the simulated one."""
    port = free_port()
    own = folder / name
    own.mkdir()
    changes = {"upstreams": {"talaria-services": {"urls": [f"http://127.0.0.1:{port}"]}}}
    async with UPSTREAMS[name](own, port), gateway_process(folder, changes) as gateway:
        yield gateway
