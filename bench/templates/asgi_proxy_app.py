"""asgi-proxy-lib as its README shows it, for uvicorn. Runs in the benchmark's own venv."""

import os

from asgi_proxy import asgi_proxy  # type: ignore[import-not-found]

_forward = asgi_proxy(os.environ["BENCH_ORIGIN"])


async def app(scope, receive, send):  # type: ignore[no-untyped-def]
    """Leaves out the lifespan events, which asgi-proxy-lib does not know."""
    if scope["type"] == "http":
        await _forward(scope, receive, send)
