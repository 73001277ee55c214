"""`transport = "httpx"` speaks HTTP/2 with an upstream that does."""

import os
from pathlib import Path

import httpx

from talaria.sandbox.stack import running_sandbox
from tests.integration.adapters.support_http2 import Http2Echo
from tests.integration.http1.support_peers import upstream
from tests.integration.http1.support_tls import server_context


async def test_an_upstream_that_offers_http2_is_spoken_to_so(tmp_path: Path) -> None:
    peer = Http2Echo()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    async with upstream(peer.serve, tls=server_context(tmp_path, "localhost")) as raw:
        services = {"urls": [raw.url], "tls": {"ca_file": "cert.pem"}, "transport": "httpx"}
        config = {"upstreams": {"talaria-services": services}}
        async with (
            running_sandbox(access_descriptor=nowhere, folder=tmp_path, config=config) as sandbox,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            answer = await client.post(f"{sandbox.public_url}/v1/a?b=%20", content=b"body", headers=sandbox.headers())
        assert (answer.status_code, answer.text) == (200, "/v1/a?b=%20 body")
        assert [dict(headers)[b"x-wind-user-id"] for headers in peer.headers] != [b""]
    os.close(nowhere)
